"""Looks at reports in headless Chromium: report_browser_test.py CHROMIUM REPORT=FIGURES...

For each plot: the page lays it out, every shape and label lies within it, and printed in ink: pixels of each shape's colour.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

MEASURE = """<script>
const box = (element) => { const b = element.getBoundingClientRect(); return [b.x, b.y, b.width, b.height]; };
document.title = JSON.stringify([...document.querySelectorAll('figure')].map((figure) => {
  const svg = figure.querySelector('svg');
  return {
    caption: figure.querySelector('figcaption').textContent,
    box: box(svg),
    shapes: [...svg.querySelectorAll('circle, rect, line')].map((shape) => ({
      kind: shape.className.baseVal, box: box(shape),
      fill: getComputedStyle(shape).fill, stroke: getComputedStyle(shape).stroke })),
    labels: [...svg.querySelectorAll('text')].map((text) => ({ text: text.textContent, box: box(text) })),
  };
}));
</script>"""


def browse(chromium, *arguments):
    with tempfile.TemporaryDirectory() as profile:
        command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                   "--disable-background-networking", f"--user-data-dir={profile}", *arguments]
        return subprocess.run(command, check=True, timeout=90, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


def measure(chromium, report):
    with tempfile.NamedTemporaryFile("w", suffix=".html") as page:
        # A copy, that lets the measuring script run: the report itself forbids all scripts.
        page.write(re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", report.read_text()) + MEASURE)
        page.flush()
        dom = browse(chromium, "--window-size=1000,1400", "--dump-dom", f"file://{page.name}").decode()
    title = re.search(r"<title>(.*?)</title>", dom, re.S).group(1)
    return json.loads(title.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))


def colours_of(chromium, report):
    """How many pixels of each colour the printed report has, at 60 dpi."""
    with tempfile.TemporaryDirectory() as folder:
        pdf = pathlib.Path(folder, "report.pdf")
        browse(chromium, f"--print-to-pdf={pdf}", f"file://{report.resolve()}")
        subprocess.run(["pdftoppm", "-r", "60", "-aa", "no", "-aaVector", "no", str(pdf), str(pathlib.Path(folder, "page"))], check=True)
        colours = {}
        for page in pathlib.Path(folder).glob("*.ppm"):
            pixels = page.read_bytes().split(b"\n", 3)[3]
            for at in range(0, len(pixels), 3):
                colour = tuple(pixels[at:at + 3])
                colours[colour] = colours.get(colour, 0) + 1
        return colours


def rgb(css):
    return tuple(int(part) for part in re.match(r"rgb\((\d+), (\d+), (\d+)\)", css).groups())


def check(holds, what):
    if not holds:
        sys.exit(f"report: {what}")


def main():
    chromium = sys.argv[1]
    for argument in sys.argv[2:]:
        name, _, figures = argument.partition("=")
        report = pathlib.Path(name)
        check(not re.search(r'(src|href)="(https?:|//)|<script|@import|url\(', report.read_text()), f"{name} is not one file that stands alone")
        plots = measure(chromium, report)
        check(len(plots) == int(figures), f"{name} shows {[plot['caption'] for plot in plots]}, not {figures} plots")
        colours = colours_of(chromium, report)
        for plot in plots:
            where = f"{name}, {plot['caption']!r}"
            x, y, width, height = plot["box"]
            check(width > 300 and height > 50, f"{where}: it is laid out as {width} x {height}")
            check(plot["labels"] and all(label["text"] for label in plot["labels"]), f"{where}: an axis or row has no label")
            drawn = [shape for shape in plot["shapes"] if shape["kind"] != "reference"]
            check(drawn, f"{where}: no shape is drawn")
            for part in drawn + plot["labels"]:
                px, py, pw, ph = part["box"]
                # An interval of one value has no whisker to see.
                check(pw > 0 or ph > 0 or part.get("kind") == "whisker", f"{where}: {part} has no extent")
                check(px >= x - 1 and py >= y - 1 and px + pw <= x + width + 1 and py + ph <= y + height + 1, f"{where}: {part} lies outside of the plot {plot['box']}")
            for colour in {shape["fill"] for shape in drawn if shape["fill"] != "none" and shape["kind"] != "whisker"}:
                check(colours.get(rgb(colour), 0) > 20, f"{where}: {colour} has {colours.get(rgb(colour), 0)} pixels in print")
        print(f"report: {name}: {len(plots)} plots are drawn")


main()
