import { type Chart, chartElement } from './chart.js';
import { type Content, Markup, markup } from './markup.js';
import { CHART_CSS, THEME_CSS } from './palette.js';
import { HOVER_SCRIPT } from './hover.js';

const PAGE_CSS = `
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
header,main,footer{max-width:1440px;margin:0 auto;padding:0 20px}
header{padding-top:24px}h1{font-size:1.6rem;margin:0 0 4px;line-height:1.25}h2{font-size:1.15rem;margin:36px 0 8px;border-top:1px solid var(--line);padding-top:16px}
p{max-width:75ch;margin:8px 0}.soft{color:var(--soft)}footer{padding-bottom:32px;margin-top:36px;color:var(--soft);font-size:.87rem}
h1,h2,h3,p,li,dd,figcaption,summary{overflow-wrap:anywhere}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,560px),1fr));gap:24px}
figure{margin:0;min-width:0;break-inside:avoid}figcaption{font-weight:600;margin-bottom:4px}
svg.chart{display:block;max-width:100%;height:auto}svg.narrow{display:none}
@media (max-width:559px){header,main,footer{padding-left:10px;padding-right:10px}svg.wide{display:none}svg.narrow{display:block}}
details{margin:4px 0 0;font-size:.87rem}summary{color:var(--soft);cursor:pointer}
.scroll{overflow-x:auto;max-width:100%;position:relative}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9rem}
caption{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
th,td{padding:4px 14px 4px 0;text-align:right;vertical-align:top;white-space:nowrap;border-bottom:1px solid var(--line)}
th:first-child,td:first-child{text-align:left;min-width:9em}thead th{color:var(--soft);font-weight:600;white-space:normal;vertical-align:bottom}tbody th{font-weight:400}
.problems{background:var(--panel);border-left:4px solid var(--s1);padding:8px 16px;margin:16px 0}.problems ul{margin:4px 0;padding-left:20px}
dl.facts{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px;margin:8px 0}dl.facts dt{color:var(--soft)}dl.facts dd{margin:0}
@media (max-width:559px){dl.facts{grid-template-columns:1fr}dl.facts dd{margin-bottom:4px}}
#hover{position:fixed;pointer-events:none;background:var(--panel);border:1px solid var(--line);padding:4px 8px;font-size:13px;white-space:pre-line;z-index:1}
@media print{body{font-size:11px}table{font-size:7px}th,td{padding-right:6px}.scroll{overflow:visible}h2{break-after:avoid}details:not([open]){display:none}.charts{grid-template-columns:1fr 1fr}a{color:inherit}}
`;

/** A whole page, with nothing outside it. */
export function page(title: string, about: Content, sections: Content): string {
  const css = new Markup(`<style>${THEME_CSS}${CHART_CSS}${PAGE_CSS}</style>`);
  const script = new Markup(`<script>${HOVER_SCRIPT}</script>`);
  const icon = new Markup('<link rel="icon" href="data:,">');
  const document = markup`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>${title}</title>${icon}${css}</head>
<body>
<header><h1>${title}</h1>${about}</header>
<main>${sections}</main>
<footer><p>Filled marks and solid bars are measured. Hollow marks, dashed curves and pale bars are modelled: computed from sizes and constants.</p></footer>
<output id="hover" hidden></output>
${script}
</body>
</html>
`;
  return document.source;
}

/** A titled part of a page; nothing where it has no content. */
export function section(title: string, content: readonly (Markup | null)[]): Markup | null {
  const shown = content.filter((each) => each !== null);
  return shown.length === 0 ? null : markup`<section><h2>${title}</h2>${shown}</section>`;
}

/** Charts side by side. @param id unique in the page @param make draws each for a width */
export function figures(id: string, makers: readonly ((width: number) => Chart)[]): Markup | null {
  if (makers.length === 0) return null;
  const each = makers.map((make, i) => {
    const [wide, narrow] = [make(680), make(340)];
    return markup`<figure><figcaption>${wide.title}</figcaption>${chartElement(wide, `${id}${i}w`, 'wide')}${chartElement(narrow, `${id}${i}n`, 'narrow')}<details><summary>Numbers: ${wide.title}</summary>${table(wide.title, wide.table.head, wide.table.rows)}</details></figure>`;
  });
  return markup`<div class="charts">${each}</div>`;
}

/** A cell `median (least–most) unit` with its spread in a second line: tables of them are wide. */
function spreadBelow(cell: string): Markup | string {
  const [, value, spread, unit] = /^([^()]+) (\([^()]+–[^()]+\))(.*)$/.exec(cell) ?? [];
  if (spread === undefined) return cell;
  return markup`${value ?? ''}${unit ?? ''}<br><small>${spread}</small>`;
}

/** A table that scrolls by itself where it is wider than the page. */
export function table(
  caption: string,
  head: readonly string[],
  rows: readonly (readonly string[])[],
): Markup {
  const lines = rows.map(
    (row) =>
      markup`<tr>${row.map((cell, i) => (i === 0 ? markup`<th scope="row">${cell}</th>` : markup`<td>${spreadBelow(cell)}</td>`))}</tr>`,
  );
  const titles = head.map((title) =>
    title === '' ? markup`<td></td>` : markup`<th scope="col">${title}</th>`,
  );
  return markup`<div class="scroll" tabindex="0" role="region" aria-label="${caption}"><table><caption>${caption}</caption><thead><tr>${titles}</tr></thead><tbody>${lines}</tbody></table></div>`;
}

/** Names and values below one another. */
export function facts(pairs: readonly (readonly [string, string])[]): Markup {
  const each = pairs.map(([name, value]) => markup`<dt>${name}</dt><dd>${value}</dd>`);
  return markup`<dl class="facts">${each}</dl>`;
}

/** What could not be read, or has to be known of the numbers. */
export function problemList(title: string, problems: readonly string[]): Markup | null {
  if (problems.length === 0) return null;
  const each = problems.map((problem) => markup`<li>${problem}</li>`);
  return markup`<div class="problems"><strong>${title}</strong><ul>${each}</ul></div>`;
}
