import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, it } from 'node:test'
import sharp from 'sharp'
import { jpegHeader } from '../../../connectors/pictures/jpeg-header.ts'
import { jpegOfScans } from './hostile-pictures.ts'

const photos = resolve(import.meta.dirname, '..', '..', '..', 'swarms', 'teddy-bear-detector', 'photos')
const photo = readFileSync(join(photos, 'teddy-02-000000000491.jpg'))
const red = () => sharp({ create: { width: 30, height: 20, channels: 3, background: '#f00' } })

describe('The header of a JPEG', () => {
  it('has the values that libvips reads, for baseline, progressive and grey pictures', async () => {
    const files = [
      photo,
      await red().jpeg().toBuffer(),
      await red().jpeg({ progressive: true }).toBuffer(),
      await red().greyscale().jpeg().toBuffer(),
    ]
    for (const file of files) {
      const { height, width, channels, space, depth, isProgressive, hasAlpha, autoOrient } = await sharp(file).metadata()
      const wanted = { height, width, channels, space, depth, isProgressive, hasAlpha, autoOrient: { ...autoOrient } }
      assert.deepEqual(jpegHeader(file), wanted)
    }
  })

  it('is read by libvips instead if it has EXIF data or CMYK, or does not follow the format', async () => {
    assert.equal(jpegHeader(await red().withMetadata({ orientation: 6 }).jpeg().toBuffer()), null)
    assert.equal(jpegHeader(await red().toColourspace('cmyk').jpeg().toBuffer()), null)
    assert.equal(jpegHeader(Buffer.from('\xff\xd8\xff<svg>', 'latin1')), null)
    for (let length = 0; length < 200; length++) jpegHeader(photo.subarray(0, length))
    const endless = Buffer.concat([Buffer.of(0xff, 0xd8), ...Array.from({ length: 1000 }, () => Buffer.of(0xff, 0xfe, 0, 0))])
    assert.equal(jpegHeader(endless), null)
  })

  it('gives a width of 65,535 pixels if the frame says so, without reading the pixels', () => {
    assert.equal(jpegHeader(jpegOfScans(65_535, 65_535, 1).subarray(0, 400))?.width, 65_535)
  })
})
