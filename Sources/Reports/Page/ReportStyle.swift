// SPDX-License-Identifier: Apache-2.0

/// The style sheet of reports.
///
/// Colors are told apart by people with any kind of color vision (Okabe and Ito,
/// https://jfly.uni-koeln.de/color/), with lighter ones on dark screens.
enum ReportStyle {
  static let css = light + dark + layout + tables + figures + print

  private static let light = """

    :root{color-scheme:light dark;--paper:#fff;--ink:#1b1f24;--soft:#59636e;--rule:#d5dae0;--grid:#e6eaee;
    --good:#0a6b45;--good-paper:#e4f5ec;--warning:#8a4b00;--warning-paper:#fdf1de;
    --c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#cc79a7;--c4:#8a6d00;--c5:#3b9fd6;--c6:#5b4bb5;--c7:#555}

    """
  private static let dark = """
    @media (prefers-color-scheme:dark){:root{--paper:#14171a;--ink:#e4e8ec;--soft:#9aa5b1;--rule:#343b43;
    --grid:#262c33;--good:#7fdcb0;--good-paper:#12301f;--warning:#f3c277;--warning-paper:#36270e;
    --c0:#56b4e9;--c1:#ff8a3c;--c2:#2fd0a0;--c3:#e9a3ca;--c4:#f0e442;--c5:#9ad4f5;--c6:#a99cf2;--c7:#bbb}}

    """
  private static let layout = """
    *{box-sizing:border-box}
    body{margin:0 auto;max-width:76rem;padding:1.5rem 1rem 3rem;background:var(--paper);color:var(--ink);
    font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
    h1{font-size:1.6rem;line-height:1.2;margin:0}
    h2{font-size:1.2rem;margin:2.2rem 0 .6rem;border-bottom:1px solid var(--rule);padding-bottom:.2rem}
    header p{margin:.3rem 0 0;color:var(--soft)}
    p{margin:.6rem 0;max-width:56rem;overflow-wrap:anywhere}
    .notice{border-left:.3rem solid;padding:.5rem .8rem;border-radius:.2rem}
    .good{color:var(--good);background:var(--good-paper)}
    .warning{color:var(--warning);background:var(--warning-paper)}
    summary{cursor:pointer;margin:.8rem 0;color:var(--soft)}

    """
  private static let tables = """
    .wide{overflow-x:auto;margin:.8rem 0}
    table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
    th,td{padding:.35rem .7rem;text-align:right;vertical-align:top;border-bottom:1px solid var(--rule)}
    th{color:var(--soft);font-weight:600;vertical-align:bottom}
    td{white-space:nowrap}
    .text{text-align:left}
    td.text{white-space:normal;min-width:6.5rem}
    .detail{display:block;color:var(--soft);font-size:.8em}
    code{white-space:nowrap;font:.85em ui-monospace,"DejaVu Sans Mono",monospace}

    """
  private static let figures = """
    .figures{display:grid;gap:1.2rem;grid-template-columns:repeat(auto-fit,minmax(min(100%,30rem),1fr))}
    figure{margin:0;break-inside:avoid}
    figcaption{font-weight:600;margin-bottom:.3rem}
    svg{display:block;width:100%;height:auto;max-width:46rem}
    svg text{fill:var(--soft);font:13px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
    @media (max-width:40rem){svg text{font-size:19px}}
    .x{text-anchor:middle}
    text.bar{fill:var(--ink)}
    text.y{text-anchor:end;dominant-baseline:middle}
    .grid{stroke:var(--grid)}
    polyline{fill:none;stroke-width:1.8;stroke-linejoin:round}
    polyline.reference{stroke:var(--soft);stroke-dasharray:6 5;stroke-width:1.4}
    .legend{list-style:none;margin:.3rem 0 0;padding:0;display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;font-size:.85rem}
    .legend li{overflow-wrap:anywhere}
    .legend li::before{content:"";display:inline-block;width:1.1em;height:.7em;margin-right:.4em;border-radius:2px;
    background:currentColor}
    .legend li.reference::before{height:0;border-top:2px dashed var(--soft);background:none;vertical-align:.3em}

    """
  /// The classes of curves (c0 and up) and of parts of bars (p0 and up).
  private static let colors = (0..<8).map { index in
    "polyline.c\(index){stroke:var(--c\(index))}circle.c\(index),rect.p\(index){fill:var(--c\(index))}"
      + ".legend li.c\(index)::before,.legend li.p\(index)::before{background:var(--c\(index))}\n"
  }.joined()

  private static let print =
    colors + """
      @media print{body{max-width:none;padding:0;font-size:10pt}.wide{overflow:visible}
      details::details-content{content-visibility:visible;block-size:auto}
      h2{break-after:avoid}tr{break-inside:avoid}.notice{border:1px solid}}

      """
}
