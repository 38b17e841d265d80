"""What a page looks like: how two pictures differ, and in which columns a chart shows a colour.

Pictures are PNG, decoded by the browser itself in an empty page. Columns are CSS pixels of the plot, from the left.
"""

import base64

from playwright.async_api import Browser, Locator

_DIFFERING = """async ([one, other]) => {
  const pixels = async (text) => {
    const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
    const image = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
    const context = new OffscreenCanvas(image.width, image.height).getContext("2d");
    context.drawImage(image, 0, 0);
    return context.getImageData(0, 0, image.width, image.height);
  };
  const [a, b] = [await pixels(one), await pixels(other)];
  if (a.width !== b.width || a.height !== b.height) return 1;
  let differing = 0;
  for (let at = 0; at < a.data.length; at += 4)
    differing += [0, 1, 2].some((channel) => Math.abs(a.data[at + channel] - b.data[at + channel]) > 24);
  return differing / (a.width * a.height);
}"""

_COLUMNS = """(figure, token) => {
  const hex = getComputedStyle(document.documentElement).getPropertyValue(`--${token}`).trim();
  const wanted = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  const canvas = figure.querySelector("canvas");
  const [all, plot] = [canvas, figure.querySelector(".u-over")].map((one) => one.getBoundingClientRect());
  const [left, top] = [Math.round(plot.left - all.left), Math.round(plot.top - all.top)];
  const [width, height] = [Math.round(plot.width), Math.round(plot.height)];
  const { data } = canvas.getContext("2d").getImageData(left, top, width, height);
  const has = (at) => data[at + 3] > 90 && wanted.every((value, channel) => Math.abs(data[at + channel] - value) < 16);
  return Array.from({ length: width }, (_, x) => {
    for (let y = 0; y < height; y++) if (has(4 * (y * width + x))) return "1";
    return "0";
  }).join("");
}"""


async def differing(browser: Browser, one: bytes, other: bytes) -> float:
    """The share of pixels in which two pictures differ, 0 to 1; 1 for pictures of different sizes."""
    page = await browser.new_page()
    try:
        texts = [base64.b64encode(picture).decode() for picture in (one, other)]
        return float(await page.evaluate(_DIFFERING, texts))
    finally:
        await page.close()


async def columns(figure: Locator, token: str = "series-1") -> str:
    """A sign a column of a chart of lines: 1 where something of this token's colour is drawn, else 0."""
    return str(await figure.evaluate(_COLUMNS, token))


def between(drawn: str, windows: int, at: int) -> str:
    """The columns from the middle of a window to the middle of the next, a little apart from both."""
    wide = len(drawn) / windows
    return drawn[round((at + 0.5) * wide) + 4 : round((at + 1.5) * wide) - 4]
