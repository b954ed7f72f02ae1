import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Page } from 'playwright-core'
import sharp from 'sharp'
import { pageFiles } from '../../ops/page/page-files.ts'

/** The folder of the documentation's pictures. */
export const pictureFolder = resolve(import.meta.dirname, '..', '..', 'docs', 'images')
/** The repository keeps the pictures, so they are small. */
export const pictureBytes = { each: 60_000, all: 500_000 } as const
/** Pictures are renewed only if somebody asks for it, since each run would change them. */
export const renewsPictures = process.env.DOCS_PICTURES === '1'

/** The hash of the page's own files. A picture carries the hash of the files that it shows. */
export function hashOfThePage(): string {
  const hash = createHash('sha256')
  for (const [path, { bytes }] of pageFiles().files) if (!path.startsWith('/page/lib/')) hash.update(`${path}\n${bytes.length}\n`).update(bytes)
  return hash.digest('hex')
}

/** True if the picture carries this hash. */
export async function carriesHash(name: string, hash: string): Promise<boolean> {
  const { exif } = await sharp(join(pictureFolder, name)).metadata()
  return exif?.includes(hash) ?? false
}

/** Writes what the window of a page shows as a picture of the documentation. */
export async function renewPicture(page: Page, name: string): Promise<void> {
  const shot = await page.screenshot({ animations: 'disabled' })
  const picture = await sharp(shot)
    .resize({ width: 800 })
    .png({ palette: true, colours: 16, dither: 0, compressionLevel: 9, effort: 10 })
    .withExif({ IFD0: { ImageDescription: hashOfThePage() } })
    .toBuffer()
  mkdirSync(pictureFolder, { recursive: true })
  writeFileSync(join(pictureFolder, `${name}.png`), picture)
}
