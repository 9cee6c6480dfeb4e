"""The picture of the ratios: an SVG without fonts, colours or scripts from elsewhere."""
from harness import ratio_of


def picture(figures, everyone, base):
    """Bars: CPU of a request, the hyper proxy's being 1. No fonts, colours or scripts from elsewhere."""
    colours = {"hookwarden": "#0f766e", "hookwarden, audit log to a file": "#5eead4", "hyper proxy": "#94a3b8",
               "nginx": "#f59e0b", "haproxy": "#a78bfa"}
    bar, gap, left, width = 14, 22, 150, 760
    most = max(filter(None, (ratio_of(taken.get(peer.name), taken.get(base)) for taken in figures.values() for peer in everyone)))
    scale = (width - left - 60) / most
    parts, y = [], 64
    for index, peer in enumerate(everyone):
        x = 20 + index * 148
        label = peer.name if len(peer.name) < 20 else "with audit log"
        parts.append(f'<rect x="{x}" y="34" width="12" height="12" fill="{colours[peer.name]}"/>'
                     f'<text x="{x + 17}" y="44">{label}{"" if peer.verifies else " (no check)"}</text>')
    for scenario, taken in figures.items():
        top = y
        for peer in everyone:
            value = ratio_of(taken.get(peer.name), taken.get(base))
            if value is None:
                continue
            parts.append(f'<rect x="{left}" y="{y}" width="{value * scale:.1f}" height="{bar - 2}" fill="{colours[peer.name]}"/>'
                         f'<text x="{left + value * scale + 6:.1f}" y="{y + bar - 4}">{value:.2f}</text>')
            y += bar
        parts.append(f'<text x="{left - 10}" y="{(top + y) / 2 + 3:.0f}" text-anchor="end" font-weight="600">{scenario}</text>')
        y += gap
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" font-family="sans-serif" font-size="11" '
            f'fill="#334155" role="img" aria-label="CPU of a request beside other proxies">'
            f'<rect width="{width}" height="{y}" fill="#ffffff"/>'
            f'<text x="20" y="20" font-size="14" font-weight="600">CPU time of a request, the hyper proxy being 1 (less is better)</text>'
            + "".join(parts) + "</svg>\n")
