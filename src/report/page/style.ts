import { html } from './html.ts';

/** The page's one style sheet: light and dark by the reader's choice, paper always light. Every pair of colours is AA. */
export const STYLE = html`
:root{color-scheme:light;--bg:#f6f6f3;--card:#fff;--ink:#191b20;--soft:#555c69;--line:#dfdfd8;--hair:#ecece6;
--accent:#2c4bbd;--track:#e4e6ee;--good:#17693f;--good-bg:#e3f2e9;--bad:#a5231c;--bad-bg:#fbe9e7;--warn:#7a4b00;--warn-bg:#fbf0d9;
--plain:#3d4454;--plain-bg:#e9ebf0;--preflight:#6b7383;--plan:#454e63;--apply:#2c4bbd;--verify:#0d7168;--finalize:#7145b5;--undo:#9c4f00;--on:#fff;
--sans:ui-sans-serif,system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",Ubuntu,Cantarell,"Helvetica Neue",Arial,sans-serif;
--mono:ui-monospace,SFMono-Regular,"SF Mono",Menlo,Consolas,"Liberation Mono","DejaVu Sans Mono",monospace}
@media (prefers-color-scheme:dark){:root{color-scheme:dark;--bg:#121418;--card:#1a1d23;--ink:#eceef2;--soft:#a7aebc;--line:#31353f;--hair:#262a32;
--accent:#93a9ff;--track:#2c313c;--good:#7fd6a4;--good-bg:#16301f;--bad:#ff9d94;--bad-bg:#3a1a18;--warn:#f2c26b;--warn-bg:#33270f;
--plain:#c3c9d6;--plain-bg:#282c35;--preflight:#8d95a5;--plan:#bcc4d4;--apply:#93a9ff;--verify:#55c7b9;--finalize:#bda1f7;--undo:#f0a660;--on:#121418}}
@media print{:root{color-scheme:light;--bg:#fff;--card:#fff;--ink:#000;--soft:#454b57;--line:#c9c9c2;--hair:#e2e2dc;
--accent:#2c4bbd;--track:#e4e6ee;--good:#17693f;--good-bg:#fff;--bad:#a5231c;--bad-bg:#fff;--warn:#7a4b00;--warn-bg:#fff;--plain:#3d4454;--plain-bg:#fff;
--preflight:#6b7383;--plan:#454e63;--apply:#2c4bbd;--verify:#0d7168;--finalize:#7145b5;--undo:#9c4f00;--on:#fff}}
*,*::before,*::after{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;background:var(--bg);color:var(--ink);font:1rem/1.55 var(--sans);overflow-wrap:anywhere}
.wrap{max-width:70rem;margin:0 auto;padding:0 1.5rem}
h1,h2,h3,p,dl,dd,figure,ul,ol,table{margin:0;padding:0}
ul{list-style:none}
a{color:var(--accent)}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px;border-radius:3px}
code,.id{font-family:var(--mono);font-size:.92em}
.id{unicode-bidi:isolate;overflow-wrap:anywhere}:is(th,td):has(.id){min-width:8.5rem}
.soft{color:var(--soft)}
.num{font-variant-numeric:tabular-nums;white-space:nowrap}
.skip{position:absolute;left:-99rem}
.skip:focus{left:1rem;top:1rem;background:var(--card);padding:.5rem 1rem;z-index:1}
.bar{display:flex;justify-content:space-between;gap:1rem;flex-wrap:wrap;padding:1.25rem 0;font-size:.875rem;color:var(--soft)}
.bar b{color:var(--ink);font-weight:650;letter-spacing:-.01em}
.hero{padding:1.5rem 0 1rem}
.badge{display:inline-flex;align-items:center;gap:.5em;font-weight:600;border-radius:99rem;padding:.3em .9em .3em .6em;font-size:.9375rem;border:1px solid currentColor}
.tag{display:inline-flex;align-items:center;gap:.35em;font-size:.8125rem;font-weight:600;white-space:nowrap}
.good{color:var(--good)}.bad{color:var(--bad)}.warn{color:var(--warn)}.plain{color:var(--plain)}
.badge.good{background:var(--good-bg)}.badge.bad{background:var(--bad-bg)}.badge.warn{background:var(--warn-bg)}.badge.plain{background:var(--plain-bg)}
.mark{width:1.1em;height:1.1em;flex:none;fill:none;stroke:currentColor;stroke-width:2;stroke-linecap:round;stroke-linejoin:round}
h1{font-size:clamp(1.6rem,5.2vw,2.9rem);line-height:1.12;font-weight:700;letter-spacing:-.03em;margin:1.1rem 0 .9rem;text-wrap:balance}
h1 .id{font-family:inherit;font-size:inherit}
h1 .arrow{color:var(--accent);font-weight:400;padding:0 .2em}
h1.long{font-size:clamp(1.15rem,2.6vw,1.5rem);letter-spacing:-.01em;line-height:1.3}
.lead{font-size:clamp(1.05rem,2vw,1.25rem);line-height:1.5;max-width:60rem;color:var(--soft);text-wrap:pretty}
.facts{display:flex;flex-wrap:wrap;justify-content:space-between;gap:1.1rem 2rem;margin-top:1.75rem;padding-top:1.25rem;border-top:2px solid var(--ink)}
.facts dt,.kicker{font-size:.8125rem;color:var(--soft)}
.facts dd{font-size:1.1875rem;font-weight:620;letter-spacing:-.01em;font-variant-numeric:tabular-nums;line-height:1.35}
.facts dd.small{font-size:.9375rem;letter-spacing:0;font-weight:500}
.next{margin-top:1.5rem;border-left:4px solid var(--accent);padding:.35rem 0 .35rem 1rem}
.next code{display:block;font-size:.9375rem;margin-top:.15rem}
.stores{display:grid;grid-template-columns:repeat(4,1fr);gap:1px;background:var(--line);border:1px solid var(--line);border-radius:.75rem;overflow:hidden}
.store{background:var(--card);padding:1.1rem 1.2rem 1.2rem;display:flex;flex-direction:column;min-width:0}
.store h3{font-size:.9375rem;font-weight:620;display:flex;justify-content:space-between;gap:.5rem;flex-wrap:wrap;align-items:baseline}
.store .big{font-size:clamp(1.65rem,3.4vw,2.15rem);font-weight:680;letter-spacing:-.03em;line-height:1.15;margin-top:.85rem;font-variant-numeric:tabular-nums}
.store .unit{color:var(--soft);font-size:.875rem}
.store svg.meter{margin:.85rem 0 .7rem}
.store .where{font-size:.8125rem;color:var(--soft);margin-top:auto;padding-top:.25rem}
svg{display:block;max-width:100%}
.meter{width:100%;height:.5rem;border-radius:99rem;overflow:hidden}
.track{fill:var(--track)}.fill{fill:var(--accent)}.fill.bad{fill:var(--bad)}.fill.from{fill:var(--soft)}
main>section{padding:2.25rem 0 .5rem}
h2{font-size:1.375rem;font-weight:680;letter-spacing:-.02em;line-height:1.25;margin-bottom:.35rem}
h2+.soft{max-width:60rem;margin-bottom:1.1rem;font-size:.9375rem}
section h3{font-size:1rem;font-weight:640;line-height:1.35}
.panel{background:var(--card);border:1px solid var(--line);border-radius:.75rem;padding:1.1rem 1.25rem}
.scroll{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:.75rem}
table{border-collapse:collapse;width:100%;font-size:.9375rem}
caption{text-align:left;padding:.75rem 1.1rem 0;font-size:.8125rem;color:var(--soft)}
th,td{overflow-wrap:break-word;text-align:left;padding:.6rem 1.1rem;vertical-align:top;border-top:1px solid var(--hair)}
thead th{font-size:.8125rem;font-weight:500;color:var(--soft);border-top:0;vertical-align:bottom;white-space:nowrap}
tbody th{font-weight:600}th .id,.shapes tbody th{font-weight:400}th .unit{color:var(--soft);font-weight:400}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td.viz{width:32%;min-width:7.5rem;vertical-align:middle}th.viz{white-space:normal}.bars{width:100%}.legend.wide{margin:.7rem 0 0;justify-content:flex-end}.few{margin-top:.9rem;font-size:.875rem}
td .meter+.meter{margin-top:.3rem}
.legend{display:flex;flex-wrap:wrap;gap:.35rem 1.1rem;font-size:.8125rem;color:var(--soft);margin-bottom:.9rem}
.legend li{display:inline-flex;align-items:center;gap:.45em}
.swatch{width:.85em;height:.85em;border-radius:2px;flex:none}
.lane{display:grid;grid-template-columns:7rem 1fr;align-items:center;gap:.75rem}
.lane+.lane{margin-top:.3rem}
.lane h3{font-size:.875rem;font-weight:560}
table svg.bars{border-radius:2px}.lane svg,.plot svg{width:100%;overflow:visible}
.lane svg svg{overflow:hidden}
.grid{stroke:var(--hair);stroke-width:1}
.base{stroke:var(--line);stroke-width:1}
.tick{paint-order:stroke;stroke:var(--card);stroke-width:3px;stroke-linejoin:round;fill:var(--soft);font-size:12px;font-variant-numeric:tabular-nums}
.on{fill:var(--on);font-size:12px;font-weight:560}
.preflight{fill:var(--preflight)}.plan{fill:var(--plan)}.apply{fill:var(--apply)}.verify{fill:var(--verify)}.finalize{fill:var(--finalize)}.undo{fill:var(--undo)}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:1rem}
.plot dl{display:flex;flex-wrap:wrap;gap:.1rem 1.25rem;font-size:.875rem;color:var(--soft);margin:.15rem 0 .9rem}
.plot dl div{display:flex;gap:.4em}
.plot dd{color:var(--ink);font-weight:600;font-variant-numeric:tabular-nums}
.area{fill:var(--accent);opacity:.16}
.area.undo{fill:var(--undo)}
.line{fill:none;stroke:var(--accent);stroke-width:2;stroke-linejoin:round;vector-effect:non-scaling-stroke}
.line.undo{stroke:var(--undo);fill:none}
.mean{stroke:var(--soft);stroke-width:1.5;stroke-dasharray:4 4}
details{margin-top:.9rem;font-size:.875rem}
summary{cursor:pointer;color:var(--accent);width:fit-content;padding:.15rem 0}
details .scroll{margin-top:.5rem}
.finding{padding:1rem 0;border-top:1px solid var(--hair);display:grid;grid-template-columns:8.5rem 1fr;gap:.25rem 1rem}
.finding:first-child{border-top:0;padding-top:.15rem}.finding:last-child{padding-bottom:.15rem}
.finding .body{display:grid;gap:.3rem;min-width:0;font-size:.9375rem}
.finding .body p:first-child{max-width:52rem}
.finding .kind{font-size:.8125rem;color:var(--soft)}
.fix code,.samples code{background:var(--plain-bg);border-radius:.3rem;padding:.05rem .35rem;font-size:.8125rem;-webkit-box-decoration-break:clone;box-decoration-break:clone}
.samples{display:flex;flex-wrap:wrap;gap:.3rem}
.pairs{display:grid;grid-template-columns:minmax(7rem,2fr) minmax(0,3fr);gap:0;font-size:.9375rem}
.pairs>div{display:contents}
.pairs dt{color:var(--soft);padding:.4rem 1.25rem .4rem 0;border-top:1px solid var(--hair)}
.pairs dd{padding:.4rem 0;border-top:1px solid var(--hair);min-width:0}
.pairs>div:first-child>*{border-top:0}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,24rem),1fr));gap:1rem;align-items:start}
.stack>*+*{margin-top:1rem}
footer{margin:2.75rem 0 0;border-top:1px solid var(--line);padding:1.25rem 0 2.5rem;font-size:.8125rem;color:var(--soft)}
@media (max-width:56rem){.stores{grid-template-columns:repeat(2,1fr)}}
@media (max-width:38rem){.wrap{padding:0 1rem}.hero{padding-top:.5rem}
.stores{grid-template-columns:1fr}.store{display:grid;grid-template-columns:1fr auto;gap:0 1rem}.store>*{grid-column:1/-1}.store .where{margin-top:0}.store .big{margin-top:.4rem;grid-column:1}
.store .unit{grid-column:2;align-self:end;padding-bottom:.3rem}
.facts{display:grid;grid-template-columns:1fr 1fr;gap:.9rem 1rem}.facts div:last-child{grid-column:1/-1}
.lane{grid-template-columns:1fr;gap:.1rem}.lane+.lane{margin-top:.7rem}.lane .pad{display:none}
.panel{padding:1rem}table{font-size:.875rem}th,td{padding:.55rem .45rem}th:first-child,caption{padding-left:.8rem}thead th,thead th.n{white-space:normal;overflow-wrap:normal}.viz,.legend.wide,.on{display:none}.finding{grid-template-columns:1fr}
.pairs{grid-template-columns:1fr}.pairs dt{padding:.5rem 0 0}.pairs dd{border-top:0;padding:.05rem 0 .5rem}}
@page{size:A4;margin:14mm 13mm}
@media print{body{font-size:9.5pt;line-height:1.45;-webkit-print-color-adjust:exact;print-color-adjust:exact}
.wrap{max-width:none;padding:0}.skip,details{display:none}h1{font-size:24pt}h1.long{font-size:13pt}.lead{font-size:11.5pt}.facts dd{font-size:11.5pt}
.stores{grid-template-columns:repeat(4,minmax(0,1fr))}.store{padding:.7rem .8rem}.store .big{font-size:17pt}
main>section{padding:1.1rem 0 0}h2{font-size:13pt}table,.pairs,.finding .body{font-size:9pt}.lane{grid-template-columns:6rem 1fr}
.plots{grid-template-columns:repeat(2,minmax(0,1fr))}.scroll{overflow:visible}th,td{padding:.35rem .45rem;overflow-wrap:anywhere}.tag{white-space:normal}tbody th,:is(th,td):has(.id){min-width:4.5rem}thead th,thead th.n{white-space:normal;overflow-wrap:normal}
h2,h3{break-after:avoid}tr,.store,.plot,.lane,.finding,.pairs>div,figure.gantt{break-inside:avoid}a{color:inherit;text-decoration:none}}
@media (prefers-reduced-motion:no-preference){html{scroll-behavior:smooth}}
`;
