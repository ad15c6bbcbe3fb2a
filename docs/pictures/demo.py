#!/usr/bin/env python3
"""Makes the README's pictures of a terminal, demo-light.svg and demo-dark.svg, from the program's real output.

    docs/pictures/demo.py [PROGRAM]            writes them (default: target/debug/ghrepos)
    docs/pictures/demo.py --check [PROGRAM]    fails if they are not up to date

The program runs on the sample data of fixtures/github, in a terminal of 80 columns. Only standard output is shown: the
summary on standard error has a duration, which differs in each run.
"""

import html
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from fcntl import ioctl
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent.parent
COMMAND = "ghrepos --replay fixtures/github torvalds gvanrossum antirez nosuchlogin"
COLUMNS = 80
# Width and height of a character in a monospace font of 14 px, in px.
WIDTH, HEIGHT = 8.4, 20
MARGIN = 16
# Background, text, prompt, and the colors of the SGR codes that the table uses.
THEMES = {
    "light": {"background": "#f6f8fa", "text": "#1f2328", "prompt": "#59636e", "6": "#0a7a83", "3": "#7d4e00"},
    "dark": {"background": "#151b23", "text": "#e6edf3", "prompt": "#9198a1", "6": "#39c5cf", "3": "#d29922"},
}


def screen(program):
    """Standard output of the program on a terminal."""
    terminal, child = pty.openpty()
    ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    environment = {"TERM": "xterm-256color", "LANG": "C.UTF-8"}
    process = subprocess.Popen(
        [program, *COMMAND.split()[1:]], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=child, stderr=subprocess.PIPE
    )
    os.close(child)
    output = b""
    try:
        while block := os.read(terminal, 4096):
            output += block
    except OSError:  # Linux: the other side is closed.
        pass
    errors = process.communicate()[1].decode()
    if process.returncode != 1:  # One of the logins does not exist.
        sys.exit(f"status {process.returncode}: {errors}")
    return output.decode().replace("\r\n", "\n")


def spans(line):
    """(column, text, color, bold) of each run of characters of one style."""
    column, color, bold = 0, None, False
    for code, text in re.findall(r"\x1b\[([0-9;]*)m|([^\x1b]+)", line):
        if text:
            # An SVG shows several blanks as one.
            for words in re.finditer(r"\S+(?: \S+)*", text):
                yield column + words.start(), words[0], color, bold
            column += len(text)
        elif match := re.fullmatch(r"38;5;(\d+)", code):
            color = match[1]
        elif code == "39":
            color = None
        elif code == "1":
            bold = True
        elif code in ("", "0"):
            color, bold = None, False
        else:
            sys.exit(f"a style that this script does not know: {code}")


def element(row, column, text, color, bold):
    # textLength keeps the columns aligned, whichever monospace font the viewer has.
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{MARGIN + column * WIDTH:.1f}" y="{MARGIN + row * HEIGHT + 14}" fill="{color}"{weight}'
        f' textLength="{len(text) * WIDTH:.1f}" lengthAdjust="spacingAndGlyphs">{html.escape(text)}</text>'
    )


def picture(output, theme):
    lines = output.rstrip("\n").split("\n")
    width, height = MARGIN * 2 + COLUMNS * WIDTH, MARGIN * 2 + (len(lines) + 1) * HEIGHT
    elements = [element(0, 0, "$", theme["prompt"], False), element(0, 2, COMMAND, theme["text"], False)]
    for row, line in enumerate(lines, 1):
        for column, text, color, bold in spans(line):
            elements.append(element(row, column, text, theme[color] if color else theme["text"], bold))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}"'
            f' height="{height:.0f}" role="img" aria-label="{html.escape(COMMAND)} in a terminal" xml:space="preserve"'
            ' font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, \'DejaVu Sans Mono\', monospace" font-size="14">',
            f'<rect width="100%" height="100%" rx="8" fill="{theme["background"]}"/>',
            *elements,
            "</svg>\n",
        ]
    )


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != "--check"]
    program = Path(arguments[0] if arguments else ROOT / "target/debug/ghrepos").resolve()
    output = screen(program)
    for name, theme in THEMES.items():
        file = FOLDER / f"demo-{name}.svg"
        svg = picture(output, theme)
        if "--check" not in sys.argv:
            file.write_text(svg)
        elif file.read_text() != svg:
            sys.exit(f"{file.relative_to(ROOT)} is not up to date: run docs/pictures/demo.py")


main()
