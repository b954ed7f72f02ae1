import assert from 'node:assert/strict'
import { existsSync, globSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { describe, it } from 'node:test'
import { carriesHash, hashOfThePage, pictureBytes, pictureFolder } from '../support/docs-picture.ts'

const docs = resolve(import.meta.dirname, '..', '..', 'docs')
const pictures = readdirSync(pictureFolder)
/** The pictures that pages show, with the page of each. */
const shown = globSync('**/*.md', { cwd: docs, exclude: ['.vitepress/**'] }).flatMap((page) =>
  [...readFileSync(join(docs, page), 'utf8').matchAll(/\b(?:src|srcset)="([^"]+)"/g)].map(([, path = '']) => ({ page, path })),
)

describe('The pictures of the documentation', () => {
  it('are there for each view of the page, light and dark', () => {
    const source = readFileSync(resolve(docs, '..', 'ops/page/assets/page.js'), 'utf8')
    const titles = [...source.matchAll(/\btitle: '([^']+)'/g)].map(([, title = '']) => title.toLowerCase().replaceAll(' ', '-'))
    assert.ok(titles.length >= 7, `${titles.length} views`)
    for (const view of [...titles, 'bee'])
      for (const look of ['light', 'dark']) assert.ok(pictures.includes(`${view}-${look}.png`), `${view}-${look}.png`)
  })

  it('show the page as it is now', async () => {
    const hash = hashOfThePage()
    const isOld = await Promise.all(pictures.map(async (name) => ((await carriesHash(name, hash)) ? [] : [name])))
    assert.deepEqual(isOld.flat(), [], 'the page has changed since: DOCS_PICTURES=1 node --test test/browser/views.test.ts, and look at them')
  })

  it('are small', () => {
    const sizes = pictures.map((name) => ({ name, bytes: statSync(join(pictureFolder, name)).size }))
    assert.deepEqual(
      sizes.filter(({ bytes }) => bytes > pictureBytes.each),
      [],
    )
    const all = sizes.reduce((sum, { bytes }) => sum + bytes, 0)
    assert.ok(all < pictureBytes.all, `${all} bytes`)
  })

  it('are all on pages, and pages show no others', () => {
    // The build of the site takes a path that begins otherwise for the name of a package.
    for (const { page, path } of shown) assert.match(path, /^\.{1,2}\//, page)
    assert.deepEqual(
      shown.filter(({ page, path }) => !existsSync(resolve(docs, dirname(page), path))),
      [],
    )
    assert.deepEqual([...new Set(shown.map(({ path }) => basename(path)))].toSorted(), pictures.toSorted())
  })
})
