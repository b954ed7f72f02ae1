import assert from 'node:assert/strict'
import type { Page } from 'playwright-core'
import sharp from 'sharp'

export interface ExpectedPicture {
  readonly isDark: boolean
  /** Colours of the style sheet, as `#rrggbb`, that parts of this view have. Each covers some pixels. */
  readonly colours: readonly string[]
}

/**
 * Fails if the picture of a view is not as expected: blank, in the wrong scheme, or without the colours of its parts. Fails too if texts overlap, or if
 * an element is outside of the window or of its section, where nobody can scroll to it. Fonts and numbers differ between machines, so pixels are not compared.
 */
export async function checkPicture(page: Page, { isDark, colours }: ExpectedPicture): Promise<void> {
  const shot = await page.screenshot({ fullPage: true, animations: 'disabled' })
  const { data } = await sharp(shot).removeAlpha().raw().toBuffer({ resolveWithObject: true })
  const pixels = new Map<string, number>()
  for (let at = 0; at < data.length; at += 3) {
    const colour = `#${data.toString('hex', at, at + 3)}`
    pixels.set(colour, (pixels.get(colour) ?? 0) + 1)
  }
  assert.ok(pixels.size >= leastColours, `the picture has ${pixels.size} colours, as a blank page would`)
  const [most = '#000000'] = [...pixels].toSorted(([, one], [, other]) => other - one).map(([colour]) => colour)
  const brightness = [1, 3, 5].reduce((sum, at) => sum + Number.parseInt(most.slice(at, at + 2), 16), 0) / 3
  assert.equal(brightness < 128, isDark, `most of the picture is ${most}`)
  assert.deepEqual(
    colours.filter((colour) => (pixels.get(colour) ?? 0) < leastPixels),
    [],
    'the picture has these colours of its parts',
  )
  assert.deepEqual(await page.evaluate(faultsOfTheView), [])
}

/** The smooth edges of letters alone have more colours than this. */
const leastColours = 40
const leastPixels = 20

/** Runs in the page: the texts that overlap, and the elements that are outside of the window or of their section. */
const faultsOfTheView = `(() => {
  const faults = []
  const clipOf = (element) => {
    let clip = { left: -Infinity, top: -Infinity, right: Infinity, bottom: Infinity }
    for (let at = element; at !== null && at !== document.documentElement; at = at.parentElement) {
      const { overflowX, overflowY } = getComputedStyle(at)
      if (overflowX === 'visible' && overflowY === 'visible') continue
      clip = cut(clip, at.getBoundingClientRect())
    }
    return clip
  }
  const cut = (one, other) => ({
    left: Math.max(one.left, other.left),
    top: Math.max(one.top, other.top),
    right: Math.min(one.right, other.right),
    bottom: Math.min(one.bottom, other.bottom),
  })
  const hasArea = ({ left, top, right, bottom }, [x, y]) => right - left > x && bottom - top > y
  const isShown = (element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && element.closest('.hidden, select, textarea, title') === null
  const texts = []
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const element = node.parentElement
    if (node.data.trim() === '' || !isShown(element)) continue
    const clip = clipOf(element)
    const range = document.createRange()
    range.selectNodeContents(node)
    for (const box of range.getClientRects()) {
      const seen = cut(clip, box)
      if (hasArea(seen, [1, 1])) texts.push({ node, seen, text: node.data.trim().slice(0, 60) })
    }
  }
  if (texts.length < 10) faults.push('the view has ' + texts.length + ' texts')
  texts.sort((one, other) => one.seen.top - other.seen.top)
  for (const [at, one] of texts.entries())
    for (const other of texts.slice(at + 1)) {
      if (other.seen.top >= one.seen.bottom) break
      if (other.node !== one.node && hasArea(cut(one.seen, other.seen), [2, 3])) faults.push('"' + one.text + '" overlaps "' + other.text + '"')
    }
  for (const element of document.body.querySelectorAll('*')) {
    if (!isShown(element)) continue
    const seen = cut(clipOf(element.parentElement), element.getBoundingClientRect())
    if (!hasArea(seen, [1, 1])) continue
    const named = '<' + element.localName + ' class="' + (element.getAttribute('class') ?? '') + '"> is outside of '
    if (seen.right > innerWidth + 1 || seen.left < -1) faults.push(named + 'the window')
    const section = element.parentElement.closest('section')
    if (section === null) continue
    const { paddingLeft, paddingRight } = getComputedStyle(section)
    const frame = section.getBoundingClientRect()
    if (seen.right > frame.right - parseFloat(paddingRight) + 1 || seen.left < frame.left + parseFloat(paddingLeft) - 1) faults.push(named + 'its section')
  }
  return faults.slice(0, 20)
})()`
