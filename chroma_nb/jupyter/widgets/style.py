"""The stylesheet of the views: one for all of them, after the one of what is displayed without widgets."""

from __future__ import annotations

from typing import Final

from chroma_nb.display import markup

STYLE: Final = (
    markup.STYLE
    + """<style>
.chroma-nb-browser{--c-text:var(--jp-ui-font-color1,var(--vscode-foreground,inherit));
--c-dim:var(--jp-ui-font-color2,var(--vscode-descriptionForeground,inherit));
--c-line:var(--jp-border-color2,var(--vscode-panel-border,rgba(128,128,128,.4)));
--c-fill:var(--jp-layout-color2,var(--vscode-editorWidget-background,rgba(128,128,128,.12)));
--c-back:var(--jp-layout-color1,var(--vscode-editor-background,transparent));
--c-mark:var(--jp-brand-color1,var(--vscode-focusBorder,#1976d2));
color:var(--c-text);background:var(--c-back);border:1px solid var(--c-line);border-radius:8px;padding:12px;
gap:8px;box-sizing:border-box;max-width:100%;overflow:hidden}
.chroma-nb-browser :is(button,input,textarea,select):focus-visible{outline:2px solid var(--c-mark)!important;
outline-offset:-2px}
.chroma-nb-browser .chroma-nb{overflow:visible}
.chroma-nb-browser .jupyter-widgets{margin:0}
.chroma-nb-browser .jupyter-button{border-radius:4px;margin:0 6px 0 0;width:auto;padding:0 12px}
.chroma-nb-browser .title{font-size:16px;font-weight:600}
.chroma-nb-browser .title span{font-size:13px;font-weight:400;color:var(--c-dim);margin-left:.8em}
.chroma-nb-browser .dim{color:var(--c-dim)}
.chroma-nb-browser [role=alert]{color:var(--jp-error-color0,#b71c1c);font-weight:600}
</style>"""
)
