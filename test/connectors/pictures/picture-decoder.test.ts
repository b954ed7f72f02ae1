import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import sharp from 'sharp'
import { decodePicture, type Picture } from '../../../connectors/pictures/picture-decoder.ts'
import { Refused } from '../../../topology/waggle-error.ts'
import { compressedText, jpegOfScans, png, pngChunk, svgOfUses } from './hostile-pictures.ts'

const decode = (bytes: Uint8Array): Promise<Picture> => decodePicture(bytes, { shorterSide: 256 })

describe('The picture decoder', () => {
  for (const [what, width, height] of [
    ['with a usual aspect ratio', 640, 480],
    ['of one pixel', 1, 1],
    ['with an aspect ratio of 20 : 1', 20, 1],
    ['with an aspect ratio of 1 : 20', 10, 200],
  ] as const) {
    it(`shrinks a picture ${what} to at most 256 × 1024 pixels, in its own aspect ratio`, async () => {
      const picture = await decode(png(width, height))
      assert.equal(picture.pixels.length, picture.height * picture.width * 3)
      assert.ok(Math.min(picture.height, picture.width) <= 256 && Math.max(picture.height, picture.width) <= 1024)
      assert.ok(Math.abs(picture.width / picture.height - width / height) < (0.02 * width) / height)
    })
  }

  // Each picture is refused by its header alone, because it has no pixels.
  for (const [what, bytes, said] of [
    ['of 1 × 300 pixels', png(1, 300, { pixels: false }), /1 × 300.*longer side may be at most 20 times/],
    ['of 100,000 × 2 pixels', png(100_000, 2, { pixels: false }), /longer side/],
    ['of 30,000 × 30,000 pixels', png(30_000, 30_000, { channels: 1, pixels: false }), /pixels/],
    ['of 7,000 × 7,000 pixels with 8 bytes each', png(7000, 7000, { depth: 16, channels: 4, pixels: false }), /bytes to decode/],
    ['in 200 scans of 9 million pixels', jpegOfScans(3000, 3000, 200), /200 scans/],
    ['whose header announces 65,535 × 65,535 pixels', jpegHeader(65_535), /dimension|pixels/],
  ] as const) {
    it(`refuses a picture ${what} by its header`, async () => {
      await assert.rejects(decode(bytes), (error: unknown) => error instanceof Refused && said.test(error.message))
    })
  }

  it('allows an AVIF picture fewer pixels than other pictures, because each pixel takes more memory', async () => {
    const flat = (side: number) =>
      sharp({ create: { width: side, height: side, channels: 3, background: '#777' } })
        .avif({ effort: 0 })
        .toBuffer()
    assert.equal((await decode(await flat(512))).width, 256)
    await assert.rejects(decode(await flat(5000)), /bytes to decode/)
  })

  for (const [what, bytes] of [
    ['an SVG', svgOfUses],
    ['an SVG after a byte order mark', Buffer.concat([Buffer.from('\ufeff'), svgOfUses])],
    ['a PDF', Buffer.from('%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj')],
    ['a TIFF', Buffer.from('II*\0\x08\0\0\0\0\0', 'latin1')],
    ['an SVG that begins like a JPEG', Buffer.concat([Buffer.from('\xff\xd8\xff', 'latin1'), svgOfUses])],
    ['empty', new Uint8Array(0)],
    ['text', Buffer.from('this is no photo')],
  ] as const) {
    it(`refuses a body that is ${what}`, async () => {
      await assert.rejects(decode(bytes), Refused)
    })
  }

  it('refuses a picture of more than 64 MiB before its format is looked at', async () => {
    const bytes = new Uint8Array(64 * 1024 * 1024 + 1)
    await assert.rejects(decode(bytes), (error: unknown) => error instanceof Refused && /67108865 bytes; at most 67,108,864/.test(error.message))
    await assert.rejects(decode(bytes.subarray(1)), (error: unknown) => error instanceof Refused && !/67,108,864/.test(error.message))
  })

  it('keeps sharp from reading any other format in the same process', async () => {
    await assert.rejects(sharp(svgOfUses).metadata(), /unsupported image format/)
  })

  it('decodes a picture with compressed texts without inflating them', async () => {
    const text = compressedText(8_000_000)
    const bomb = png(64, 48, { chunks: Array.from({ length: 2000 }, () => text) })
    assert.deepEqual(await decode(bomb), await decode(png(64, 48)))
  })

  it('decodes a picture with an enormous colour profile', async () => {
    const profile = pngChunk('iCCP', compressedText(100_000_000).subarray(8, -4))
    assert.equal((await decode(png(64, 48, { chunks: [profile] }))).height, 256)
  })

  const empty = pngChunk('tEXt', Buffer.alloc(0))
  const manyParts: readonly (readonly [what: string, bytes: Buffer, said: RegExp])[] = [
    ['a JPEG of a million scans', Buffer.concat([jpegOfScans(16, 16, 1), Buffer.alloc(2_000_000, Buffer.of(0xff, 0xda))]), /more than 10,000 scans/],
    ['a PNG of a million chunks', png(64, 48, { chunks: [Buffer.alloc(1_000_000 * empty.length, empty)] }), /more than 32,768 chunks/],
  ]
  for (const [what, bytes, said] of manyParts) {
    it(`refuses ${what} within 0.3 s of CPU`, async () => {
      const from = process.cpuUsage()
      await assert.rejects(decode(bytes), (error: unknown) => error instanceof Refused && said.test(error.message))
      const { user, system } = process.cpuUsage(from)
      assert.ok(user + system < 300_000, `${(user + system) / 1000} ms of processor time`)
    })
  }

  it('gives the first frame of a picture with a million frames', async () => {
    const gif = await sharp({ create: { width: 2, height: 2, channels: 3, background: '#f00' } })
      .gif()
      .toBuffer()
    const frame = gif.subarray(gif.indexOf(0x2c, 13), -1)
    const animated = Buffer.concat([gif.subarray(0, -1), ...Array.from({ length: 1_000_000 }, () => frame), Buffer.of(0x3b)])
    assert.deepEqual(await decode(animated), await decode(gif))
  })

  it('turns a grey, 16-bit or CMYK picture into RGB', async () => {
    const inks = await sharp({ create: { width: 64, height: 48, channels: 3, background: '#f00' } })
      .toColourspace('cmyk')
      .jpeg()
      .toBuffer()
    for (const bytes of [png(64, 48, { channels: 1 }), png(64, 48, { depth: 16 }), inks]) {
      const { height, width, pixels } = await decode(bytes)
      assert.deepEqual([height, width, pixels.length], [256, 341, 256 * 341 * 3])
    }
  })

  it('refuses or decodes a picture that is cut off at any byte, and still decodes later pictures', async () => {
    const whole = await sharp({ create: { width: 64, height: 48, channels: 3, background: '#0f0' } })
      .gif()
      .toBuffer()
    const cuts = [...Array(whole.length).keys()].map((length) => whole.subarray(0, length))
    for (const outcome of await Promise.allSettled(cuts.map(decode))) assert.ok(outcome.status === 'fulfilled' || outcome.reason instanceof Refused)
    assert.equal((await decode(whole)).height, 256)
  })
})

function jpegHeader(side: number): Buffer {
  return jpegOfScans(side, side, 1).subarray(0, 400)
}
