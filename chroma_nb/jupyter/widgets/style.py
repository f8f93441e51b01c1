"""The stylesheet of the views: one for all of them, after the one of what is displayed without widgets."""

from __future__ import annotations

from typing import Final

from chroma_nb.display import markup

#: Each line of the table is as high as the line of buttons beside it.
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
.chroma-nb-grid{border:1px solid var(--c-line);border-radius:6px;overflow:hidden;flex:none}
.chroma-nb-head{background:var(--c-fill);border-bottom:1px solid var(--c-line);height:34px}
.chroma-nb-head .jupyter-button{background:none;box-shadow:none;border:0;font-weight:600;text-align:left;
padding:0 8px;margin:0;height:33px;color:var(--c-text);border-radius:0}
.chroma-nb-head .jupyter-button:hover{background:var(--c-line)}
.chroma-nb-line{height:32px;border-bottom:1px solid var(--c-line);box-sizing:border-box;align-items:center}
.chroma-nb-line:has(input:checked){background:var(--c-fill)}
.chroma-nb-line .jupyter-button{background:none;box-shadow:none;border:0;text-align:left;padding:0 8px;margin:0;
height:31px;color:var(--jp-content-link-color,var(--vscode-textLink-foreground,#1565c0));flex:1 1 auto;min-width:0;
overflow:hidden;text-overflow:ellipsis;white-space:nowrap;border-radius:0;font-size:12px;
font-family:var(--jp-code-font-family,monospace)}
.chroma-nb-line .jupyter-button:hover{text-decoration:underline}
.chroma-nb-tick{flex:none!important;width:30px!important;height:30px;overflow:hidden;position:relative}
.chroma-nb-tick .widget-label-basic{width:100%!important;padding:0!important;margin:0!important;
height:30px;justify-content:center;align-items:center;display:flex}
.chroma-nb-tick input{margin:0!important;accent-color:var(--c-mark)}
.chroma-nb-tick span,.chroma-nb-grid caption,.chroma-nb-grid thead,.chroma-nb-grid tbody th span{
position:absolute!important;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap;
border:0!important;padding:0!important}
.chroma-nb-grid tbody th{position:relative;padding:0!important;border:0!important}
.chroma-nb-head .number{text-align:right}
.chroma-nb-grid .widget-html,.chroma-nb-grid .widget-html-content{margin:0;padding:0;line-height:1.4;
min-width:0;width:100%;height:auto;overflow:hidden}
.chroma-nb-grid table{table-layout:fixed;width:100%;border-collapse:separate;border-spacing:0;margin:0;font-size:13px}
.chroma-nb-grid tbody tr{background:none!important}
.chroma-nb-grid tbody tr.selected{background:var(--c-fill)!important}
.chroma-nb-grid td{height:32px;box-sizing:border-box;border:0;border-bottom:1px solid var(--c-line)!important;
padding:0 8px!important;white-space:nowrap;overflow:hidden;
text-overflow:ellipsis;color:var(--c-text);text-align:left!important;vertical-align:middle}
.chroma-nb-grid td.number{text-align:right!important;font-variant-numeric:tabular-nums}
.chroma-nb-grid .bar{display:block;height:3px;background:var(--c-fill)}
.chroma-nb-grid .bar>span{display:block;height:3px;background:var(--c-mark)}
.chroma-nb-grid .dim,.chroma-nb-browser .dim{color:var(--c-dim)}
.chroma-nb-grid mark{background:none;color:inherit;font-weight:700;border-bottom:2px solid var(--c-mark)}
.chroma-nb-pages,.chroma-nb-row{align-items:center;flex-wrap:wrap;gap:6px}
.chroma-nb-pages b{margin-right:1em}
.chroma-nb-panel{border-left:3px solid var(--c-mark);padding:4px 0 4px 12px;gap:8px}
.chroma-nb-near .jupyter-button{font-family:var(--jp-code-font-family,monospace);font-size:12px;height:26px;
line-height:26px}
.chroma-nb-near{gap:4px}
.chroma-nb-browser .jupyter-widget-Collapse,.chroma-nb-browser .jupyter-widget-Collapse-contents{margin:0}
.chroma-nb-browser .jupyter-widget-Collapse-header{color:var(--c-text)}
.chroma-nb-browser textarea{font-family:var(--jp-code-font-family,monospace);font-size:12px}
.chroma-nb-browser .where input{font-family:var(--jp-code-font-family,monospace);font-size:12px;width:min(44em,60%);
background:var(--c-fill);color:var(--c-text);border:1px solid var(--c-line);
border-radius:4px;padding:4px 8px;margin:0 6px}
.chroma-nb-browser .where button{background:var(--c-fill);color:var(--c-text);border:1px solid var(--c-line);
border-radius:4px;padding:4px 12px;cursor:pointer}
.chroma-nb-browser [role=alert]{color:var(--jp-error-color0,#b71c1c);font-weight:600}
</style>"""
)
