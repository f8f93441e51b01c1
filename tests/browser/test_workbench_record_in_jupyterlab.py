"""A record of the workbench in a real JupyterLab: read, walked from, changed, undone, exported."""

import pytest
from test_accessibility import violations
from test_workbench_table import cell, shown

pytestmark = pytest.mark.browser

#: The same records in a collection that embeds them itself.
EMBEDDED = """
found = birds.get()
client.delete_collection("birds")
birds = client.create_collection("birds", embedding_function=Letters())
birds.add(ids=found["ids"], documents=found["documents"], metadatas=found["metadatas"])
"""
WRITING = EMBEDDED + "b = Workbench(birds, readonly=False)\nb"


def opened(notebook, cell_text=WRITING, row=0, **options):
    """A notebook whose workbench shows the record of a row."""
    lab = shown(notebook, cell_text, **options)
    cell(lab, row, 1).click()
    lab.record = lab.bench.locator(".cw-part-record")
    lab.record.get_by_text("Nearest records").wait_for()
    return lab


def button(lab, name, **options):
    return lab.bench.get_by_role("button", name=name, **options)


def stored(lab, id_="bird-0000000"):
    found = f"birds.get(ids=['{id_}'])"
    return lab.evaluate(f"({found}['documents'][0], dict(sorted({found}['metadatas'][0].items())))")


def test_a_record_is_read_and_walked_from(notebook):
    lab = opened(notebook, row=3)
    lab.record.get_by_role("heading", name="bird-0000003").wait_for()
    lab.record.get_by_text("4 of 1,000").wait_for()
    lab.record.get_by_text("שלום, עולם!").wait_for()
    button(lab, "Next record").click()
    lab.record.get_by_role("heading", name="bird-0000004").wait_for()
    lab.page.keyboard.press("Alt+ArrowUp")
    lab.record.get_by_role("heading", name="bird-0000003").wait_for()
    near = lab.record.get_by_role("button", name="Open bird-").first
    name = near.get_attribute("aria-label").removeprefix("Open ")
    near.click()
    lab.record.get_by_role("heading", name=name).wait_for()
    lab.record.get_by_role("button", name="Back to bird-0000003").click()
    lab.record.get_by_role("heading", name="bird-0000003").wait_for()
    lab.page.keyboard.press("Escape")
    lab.record.wait_for(state="hidden")
    assert any(lab.evaluate("b.record") == "None" for _ in range(20))  # the page tells the kernel in its own time


def test_what_a_filter_looks_for_is_marked(notebook):
    lab = opened(notebook)
    lab.evaluate("setattr(b, 'where_document', {'$contains': 'river'})")
    lab.record.locator("mark").get_by_text("river").first.wait_for()


def test_a_record_is_changed_by_type_saved_and_undone(notebook):
    lab = opened(notebook)
    before = stored(lab)
    button(lab, "Edit", exact=True).click()
    assert button(lab, "Save").is_disabled()
    lab.record.get_by_label("Document", exact=True).fill("Another text")
    lab.record.get_by_label("year", exact=True).fill("2001")
    lab.record.get_by_label("ringed", exact=True).uncheck()
    lab.record.get_by_label("seen", exact=True).fill("2024-06-02T08:15:00")
    lab.record.get_by_label("created_at", exact=True).fill("2020-09-14T00:00:00")
    lab.record.get_by_label("tags, item 2", exact=True).fill("c, d")
    lab.record.get_by_role("button", name="Remove kind").click()
    button(lab, "Add a key").click()
    lab.record.get_by_label("Name of the new key").fill("count")
    lab.record.get_by_label("Type of the new key").select_option("integer")
    lab.record.get_by_label("the new key", exact=True).fill("12")
    button(lab, "Save").click()
    lab.bench.get_by_text("Saved: edit of 'bird-0000000'").wait_for()
    lab.record.get_by_text("Another text").wait_for()
    found = stored(lab)
    for part in (
        "'Another text'",
        "'year': 2001",
        "'ringed': False",
        "'weight': 5.0",
        "'seen': '2024-06-02T08:15:00Z'",
        "'created_at': 1600041600.0",
        "'tags': ['a', 'c, d']",
        "'count': 12",
    ):
        assert part in found
    assert "'kind'" not in found
    cell(lab, 0, 2).get_by_text("Another text").wait_for()
    button(lab, "Undo").click()
    lab.bench.get_by_text("Undone: edit of 'bird-0000000'").wait_for()
    assert stored(lab) == before
    button(lab, "Undo").wait_for(state="hidden")


def test_what_is_begun_stays_and_what_others_wrote_is_not_lost(notebook):
    lab = opened(notebook)
    button(lab, "Edit", exact=True).click()
    lab.record.get_by_label("year", exact=True).fill("2001")
    button(lab, "Next record").click()
    lab.record.get_by_text("Not saved:").wait_for()
    lab.record.get_by_role("button", name="bird-0000000").click()
    assert lab.record.get_by_label("year", exact=True).input_value() == "2001"
    lab.evaluate("birds.update(ids=['bird-0000000'], metadatas=[{'kind': 'theirs'}])")
    button(lab, "Save").click()
    lab.record.get_by_role("alert").get_by_text("was changed meanwhile").wait_for()
    assert "'kind': 'theirs'" in stored(lab)
    assert "'year': 1990" in stored(lab)
    button(lab, "Apply my changes").click()
    button(lab, "Save").click()
    lab.bench.get_by_text("Saved: edit of").wait_for()
    assert "'kind': 'theirs'" in stored(lab)
    assert "'year': 2001" in stored(lab)
    lab.evaluate("birds.update(ids=['bird-0000000'], metadatas=[{'kind': 'again'}])")
    button(lab, "Refresh").click()
    lab.record.get_by_text("again", exact=True).wait_for()


def test_a_number_that_is_none_is_refused_beside_the_form(notebook):
    lab = opened(notebook)
    button(lab, "Edit", exact=True).click()
    lab.record.get_by_label("year", exact=True).fill("MMI")
    assert lab.record.get_by_label("year", exact=True).get_attribute("aria-invalid") == "true"
    lab.page.keyboard.press("Control+Enter")
    lab.record.get_by_role("alert").get_by_text(
        "expected a whole number for 'year', such as 2020, got 'MMI'"
    ).wait_for()
    button(lab, "Discard").click()
    assert lab.record.get_by_role("alert").is_hidden()


def test_records_are_added_tagged_deleted_and_brought_back(notebook):
    lab = opened(notebook)
    button(lab, "New record…").click()
    lab.bench.get_by_label("Id", exact=True).fill("new-one")
    lab.bench.get_by_label("Document (will be embedded)").fill("A crane")
    button(lab, "Create", exact=True).click()
    lab.record.get_by_role("heading", name="new-one").wait_for()
    lab.bench.get_by_text("1,001 records", exact=True).wait_for()
    cell(lab, 1, 0).click()
    cell(lab, 2, 0).click()
    button(lab, "Tag…").click()
    lab.bench.get_by_label("Key", exact=True).fill("checked")
    lab.bench.get_by_label("Type of the value").select_option("boolean")
    lab.bench.get_by_label("Value", exact=True).check()
    button(lab, "Tag 2 records").click()
    lab.bench.get_by_text("Done: tag 'checked' of 2 records").wait_for()
    assert "'checked': True" in stored(lab, "bird-0000001")
    button(lab, "Undo").click()
    lab.bench.get_by_text("Undone: tag").wait_for()
    assert "checked" not in stored(lab, "bird-0000001")
    button(lab, "Tag…").click()
    lab.bench.get_by_label("Key", exact=True).fill("note")
    lab.bench.get_by_label("Type of the value").select_option("text")
    lab.bench.get_by_label("Value", exact=True).fill("seen twice")
    lab.bench.get_by_label("Value", exact=True).press("Enter")
    lab.bench.get_by_text("Done: tag 'note' of 2 records").wait_for()
    assert "'note': 'seen twice'" in stored(lab, "bird-0000001")
    button(lab, "Undo").click()
    lab.bench.get_by_text("Undone: tag").wait_for()
    button(lab, "Delete…").first.click()
    lab.evaluate("[globals().update(both=list(b.selection.ids)), setattr(b.selection, 'ids', both[:1])]")
    button(lab, "Yes, delete 1").wait_for()  # what is selected while the form is open
    lab.evaluate("setattr(b.selection, 'ids', both)")
    button(lab, "Yes, delete 2").click()
    lab.bench.get_by_text("999 records", exact=True).wait_for()
    button(lab, "Undo").click()
    lab.bench.get_by_text("1,001 records", exact=True).wait_for()
    lab.record.get_by_role("button", name="Delete…").click()
    lab.record.get_by_role("button", name="Yes, delete").click()
    lab.bench.get_by_text("1,000 records", exact=True).wait_for()
    assert lab.record.is_hidden()


def test_what_is_shown_is_exported(notebook):
    lab = shown(notebook)
    lab.evaluate("setattr(b, 'where', {'kind': 'wren'})")
    lab.bench.get_by_text("200 of 1,000 records").wait_for()
    button(lab, "Export…").click()
    lab.bench.get_by_label("Called").fill("wrens")
    lab.page.keyboard.press("Enter")
    lab.bench.get_by_text("200 records written to wrens.").wait_for()
    assert lab.evaluate("len(wrens)") == "200"


def test_a_reading_workbench_has_nothing_to_write_with(notebook):
    lab = opened(notebook, "b = Workbench(birds)\nb")
    assert lab.record.locator(".cw-rec-foot").is_hidden()
    for name in ("New record…", "Tag…", "Delete…", "Undo"):
        assert not button(lab, name).is_visible()
    lab.record.locator("dd").first.dblclick()
    assert lab.record.locator("textarea").count() == 0


HOSTILE = (
    EMBEDDED
    + r"""
texts = ["<img src=x onerror=window.broken=1>", "javascript:window.broken=1", "\u202eevil\u202c and more", "a\x01\r\nb",
         "\u200fשלום, עולם!\u200f", "<script>window.broken=1</script>", "${window.broken=1}", "x" * 3000]
birds.upsert(ids=[f"{i} {t[:80]}" for i, t in enumerate(texts)], documents=texts, uris=texts,
             metadatas=[{"k" + t[:40]: t, "list": [t, "b"]} for t in texts])
b = Workbench(birds, readonly=False)
b
"""
)


def test_hostile_texts_in_any_field_do_nothing_and_stay_as_they_are(notebook):
    lab = shown(notebook, HOSTILE, records=1)
    lab.record = lab.bench.locator(".cw-part-record")
    for i in range(8):
        lab.evaluate(f"setattr(b, 'record', f'{{{i}}} {{texts[{i}][:80]}}')")
        lab.record.get_by_text("Nearest records").wait_for()
        lab.record.locator("h3").get_by_text(f"{i} ").wait_for()
        if i == 2:
            lab.record.locator(".cw-rec-text").get_by_text("‹U+202E›evil").wait_for()
        before = lab.evaluate("birds.get(ids=[b.record])")
        button(lab, "Edit", exact=True).click()
        assert button(lab, "Save").is_disabled()
        lab.record.get_by_label("list, item 2", exact=True).fill("c")
        button(lab, "Save").click()
        button(lab, "Edit", exact=True).wait_for()
        assert lab.evaluate("birds.get(ids=[b.record])") == before.replace("'b']", "'c']")
    assert lab.page.evaluate("window.broken") is None
    assert lab.bench.evaluate("(b) => b.scrollWidth <= b.clientWidth")


def test_nothing_is_wrong_for_people_with_disabilities(notebook):
    lab = opened(notebook)
    for theme in (lab.light, lab.dark):
        theme()
        assert violations(lab.page) == []
        button(lab, "Edit", exact=True).click()
        assert violations(lab.page) == []
        lab.record.get_by_label("year", exact=True).fill("x")
        button(lab, "Save").click()
        lab.record.get_by_role("alert").get_by_text("expected").wait_for()
        assert violations(lab.page) == []
        button(lab, "Discard").click()
        lab.record.get_by_role("button", name="Delete…").click()
        assert violations(lab.page) == []
        lab.record.get_by_role("button", name="No").click()
        for name in ("New record…", "Export…"):
            button(lab, name).click()
            assert violations(lab.page) == []
            lab.page.keyboard.press("Escape")
    lab.light()
