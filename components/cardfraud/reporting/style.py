"""The one style sheet of every report."""

from __future__ import annotations

from typing import Final

CSS: Final = """
:root{color-scheme:light;--ink:#1f2933;--muted:#52606d;--line:#dde3ea;--good:#2e7d4f;--bad:#b3261e}
*{box-sizing:border-box}body{margin:0;background:#f5f7fa;color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:1120px;margin:0 auto;padding:28px 24px 56px;overflow-wrap:break-word}
h1{font-size:26px;line-height:1.25;margin:0 0 4px}h2{font-size:19px;margin:0}
h3{font-size:15px;margin:0}p,figure{margin:0}.lead{color:var(--muted)}.note{color:var(--muted);font-size:14px}
section{margin-top:34px}section section{margin-top:20px}section>*+*{margin-top:12px}
main>.answers,main>.box{margin-top:18px}
.answers,.cards,.grid,.sides{display:grid;gap:14px}
.answers{grid-template-columns:repeat(auto-fit,minmax(min(230px,100%),1fr))}
.cards{grid-template-columns:repeat(auto-fit,minmax(min(210px,46%),1fr))}
.grid,.sides{grid-template-columns:repeat(auto-fit,minmax(min(430px,100%),1fr));align-items:start}
.grid>*,.sides>*{min-width:0}.sides>section,.stack>:first-child{margin-top:0}
.stack>*+*{margin-top:20px}
.answer,.card,.box,figure{background:#fff;border:1px solid var(--line);border-radius:8px;
padding:12px 16px}
.answer{border-top:4px solid #9aa5b1}.answer.yes{border-top-color:var(--good)}
.answer.no{border-top-color:var(--bad)}
.answer span,.card span{display:block;color:var(--muted);font-size:13px}
.answer b{display:block;font-size:22px;line-height:1.3}.answer.yes b{color:var(--good)}
.answer.no b{color:var(--bad)}.card b{display:block;font-size:20px}
figure{padding:12px}figure svg{width:100%;height:auto;display:block}
figure.wide>div{overflow-x:auto}figure.wide svg{min-width:640px}
figcaption{font-size:13px;color:var(--muted);margin-bottom:6px}
figcaption b{display:block;font-size:15px;color:var(--ink)}
.scroll{overflow-x:auto;background:#fff;border:1px solid var(--line);border-radius:8px}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:6px 12px;border-bottom:1px solid var(--line);
font-size:14px}
th:first-child,td:first-child{min-width:7.5em}
tbody tr:last-child>*{border-bottom:0}th{color:var(--muted);font-weight:600}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
th.n{white-space:normal}td.sub{padding-left:28px;color:var(--muted)}
.good{color:var(--good);font-weight:600}.bad{color:var(--bad);font-weight:600}
.verdict{border-left:5px solid var(--good)}.verdict.no{border-left-color:var(--bad)}
.checks{list-style:none;margin:8px 0 0;padding:0;font-size:14px}
.checks li{padding:4px 0 4px 66px;text-indent:-66px;border-top:1px solid var(--line)}
.checks .good,.checks .bad{display:inline-block;width:66px;text-indent:0}
dl{display:grid;grid-template-columns:minmax(110px,max-content) minmax(0,1fr);gap:4px 18px;margin:0;
font-size:14px}
dt{color:var(--muted)}dd{margin:0;min-width:0;overflow-wrap:anywhere}
code{font-size:13px;background:#eef1f5;padding:1px 4px;border-radius:4px;overflow-wrap:anywhere}
a{color:#1d5fa8}
@media(max-width:520px){main{padding:18px 12px 40px}figure{padding:8px}
dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:8px}}
"""
