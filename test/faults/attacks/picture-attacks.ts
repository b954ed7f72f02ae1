import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import type { Attack } from './attack.ts'
import { teddyDirectory, type Victim } from './victim.ts'

const gateway = 'teddybear-detector-gateway'

async function pictures(): Promise<{ readonly [what: string]: { readonly bytes: Uint8Array; readonly type: string } }> {
  const png = (width: number, height: number) =>
    sharp({ create: { width, height, channels: 3, background: '#808080' }, limitInputPixels: false })
      .png()
      .toBuffer()
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"><defs><g id="a0"><rect width="1" height="1"/></g>${Array.from(
    { length: 20 },
    (_, at) => `<g id="a${at + 1}"><use xlink:href="#a${at}"/><use xlink:href="#a${at}"/></g>`,
  ).join('')}</defs><use xlink:href="#a20"/></svg>`
  return {
    'a PNG of 1 × 300': { bytes: await png(1, 300), type: 'image/png' },
    'a PNG of 300 × 1': { bytes: await png(300, 1), type: 'image/png' },
    'a PNG of 100,000 × 2': { bytes: await png(100_000, 2), type: 'image/png' },
    'a PNG of 12,000 × 12,000': { bytes: await png(12_000, 12_000), type: 'image/png' },
    'an SVG that uses itself 2^20 times': { bytes: Buffer.from(svg), type: 'image/svg+xml' },
    'an SVG that calls itself a JPEG': { bytes: Buffer.from(svg), type: 'image/jpeg' },
    'a PDF': { bytes: Buffer.from('%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>'), type: 'application/pdf' },
    'half a JPEG': { bytes: Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 16]), type: 'image/jpeg' },
    'one byte': { bytes: Uint8Array.of(0), type: 'image/jpeg' },
  }
}

async function photo(victim: Victim): Promise<number> {
  const bytes = readFileSync(join(teddyDirectory, 'photos', 'teddy-04-000000000309.jpg'))
  const startedMs = performance.now()
  const response = await victim.post(gateway, bytes, { 'content-type': 'image/jpeg' })
  await response.text()
  return response.status === 200 ? performance.now() - startedMs : Number.NaN
}

export const explodingPictures: Attack = {
  name: 'tiny pictures that unfold, and pictures that are programs',
  async run(victim) {
    const broken: string[] = []
    for (let warm = 0; warm < 5; warm++) await photo(victim)
    for (const [what, { bytes, type }] of Object.entries(await pictures())) {
      const startedMs = performance.now()
      const hostile = victim
        .post(gateway, bytes as NonNullable<RequestInit['body']>, { 'content-type': type })
        .then(async (response) => ({ status: response.status, text: await response.text() }))
      const beside = await photo(victim)
      const { status, text } = await hostile
      const tookMs = Math.round(performance.now() - startedMs)
      if (![200, 400, 413, 415, 422].includes(status)) broken.push(`${what}: ${status} ${text.slice(0, 200)}`)
      if (tookMs > 5_000) broken.push(`${what} took ${tookMs} ms`)
      if (!(beside < 3_000)) broken.push(`a photo beside ${what} took ${Math.round(beside)} ms`)
    }
    return broken
  },
}
