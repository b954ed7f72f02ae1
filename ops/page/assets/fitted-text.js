const context = document.createElement('canvas').getContext('2d')
const known = new Map()
/** The font of the page. It is read once, because each question for a computed style makes the browser compute what has changed until then. */
let family = null

/** The text, cut in its middle to fit a width in pixels. `font` is weight and size, such as `600 13px`. */
export function fitted(text, width, font) {
  const key = `${font} ${width} ${text}`
  const there = known.get(key)
  if (there !== undefined) return there
  family ??= getComputedStyle(document.body).fontFamily
  context.font = `${font} ${family}`
  const fits = (shown) => context.measureText(shown).width <= width
  let shown = text.length > 200 ? `${text.slice(0, 100)}…${text.slice(-99)}` : text
  const characters = [...shown]
  for (let kept = characters.length - 1; kept > 1 && !fits(shown); kept--) {
    const head = Math.ceil(kept * 0.6)
    shown = `${characters.slice(0, head).join('')}…${characters.slice(characters.length - (kept - head)).join('')}`
  }
  // Texts with numbers change each second, so the cache is cleared when it is large.
  if (known.size > 5000) known.clear()
  known.set(key, shown)
  return shown
}
