import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import sharp from 'sharp'
import { decodePicture } from '../../connectors/pictures/picture-decoder.ts'
import { measure } from './measure.ts'
import type { Table } from './table.ts'

/** Measures the CPU time for decoding one JPEG: with Waggle, with single steps of sharp, and with options of sharp that Waggle does not use. */
export async function picturesBenchmark({ seconds }: { readonly seconds: number }): Promise<readonly Table[]> {
  const source = resolve(import.meta.dirname, '..', '..', 'swarms', 'teddy-bear-detector', 'photos', 'other-02-koala.jpg')
  const photo = (width: number, height: number) => sharp(readFileSync(source)).resize(width, height).jpeg({ quality: 85 })
  const files = [
    { name: '640 × 480', file: await photo(640, 480).toBuffer() },
    { name: '640 × 480 with a colour profile', file: await photo(640, 480).withIccProfile('srgb').toBuffer() },
    { name: '1920 × 1440', file: await photo(1920, 1440).toBuffer() },
  ]
  const dot = await photo(16, 16).toBuffer()
  const rows: (readonly (string | number)[])[] = []
  for (const { name, file } of files) {
    for (const side of [64, 224]) {
      const size = { height: side, width: side }
      const programs = [
        { name: 'Waggle', run: () => decodePicture(file, { size: { ...size, fit: 'fill' } }) },
        { name: 'sharp, the resize alone', run: () => resized(file, size, { ignoreIcc: true }) },
        { name: 'sharp, with the colour profile', run: () => resized(file, size, {}) },
        { name: 'sharp, the header alone', run: () => sharp(file).metadata() },
        { name: 'sharp, 16 × 16 to 8 × 8', run: () => resized(dot, { height: 8, width: 8 }, { ignoreIcc: true }) },
      ]
      const least = programs.map(() => Number.POSITIVE_INFINITY)
      // The programs run alternately, and the least time counts, because other work on the machine can only slow a program down.
      for (let round = 0; round < rounds; round++)
        for (const [at, { run }] of programs.entries()) least[at] = Math.min(least[at] ?? 0, await cpuMs(run, seconds / rounds / programs.length))
      rows.push([name, `${side} × ${side}`, ...least])
    }
  }
  const columns = [
    'JPEG',
    'to',
    'Waggle',
    'sharp, the resize alone',
    'sharp, with the colour profile',
    'sharp, the header alone',
    'sharp, 16 × 16 to 8 × 8',
  ]
  return [{ title: 'Decoding a JPEG, CPU ms a picture', columns, rows, names: 2 }]
}

const rounds = 5

function resized(
  file: Uint8Array,
  size: { readonly height: number; readonly width: number },
  options: { readonly ignoreIcc?: boolean },
): Promise<unknown> {
  return sharp(file, { sequentialRead: true, ...options })
    .resize({ ...size, fit: 'fill' })
    .raw()
    .toBuffer()
}

/** The mean CPU time of one run, over all threads of the process, in ms. */
async function cpuMs(run: () => Promise<unknown>, seconds: number): Promise<number> {
  await run()
  const done = measure()
  let runs = 0
  do {
    await run()
    runs++
  } while (done().seconds < seconds)
  return done().cpuMicros / 1000 / runs
}
