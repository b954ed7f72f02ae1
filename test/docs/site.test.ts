import assert from 'node:assert/strict'
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { after, describe, it } from 'node:test'
import { TypedCommand } from '../support/typed-command.ts'

const root = resolve(import.meta.dirname, '..', '..')
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { readonly scripts: { readonly docs: string } }
/** The program of `npm run docs`, without the launcher and the folder. */
const [, program = ''] = /^exec node ops\/setup\/launch\.mjs (\S+ build) docs$/.exec(scripts.docs) ?? []
const missing = existsSync(join(root, program.split(' ')[0] ?? '')) ? null : 'VitePress is not installed: run npm ci, without --omit=dev'
if (missing !== null && process.env.CI === 'true') throw new Error(missing)

describe('The site of the documentation, as npm run docs builds it', { skip: missing ?? false }, () => {
  // The folder is inside the repository, so that the configuration finds the package vitepress.
  mkdirSync(join(root, '.waggle'), { recursive: true })
  const directory = mkdtempSync(join(root, '.waggle', 'site-'))
  after(() => rmSync(directory, { recursive: true, force: true }))

  /** Builds the pages in `pages` with the configuration of `docs/`, in a folder of its own, because builds share their temporary files. */
  async function build(
    name: string,
    pages: string,
    menu: string,
  ): Promise<{ readonly status: number | null; readonly printed: string; readonly site: string }> {
    const folder = join(directory, name)
    const site = join(folder, 'site')
    const own = `srcDir: ${JSON.stringify(pages)}, outDir: ${JSON.stringify(site)}, themeConfig: { ...site.themeConfig${menu} }`
    mkdirSync(join(folder, '.vitepress'), { recursive: true })
    writeFileSync(
      join(folder, '.vitepress', 'config.ts'),
      `import site from ${JSON.stringify(join(root, 'docs', '.vitepress', 'config.ts'))}\nexport default { ...site, ${own} }\n`,
    )
    const command = new TypedCommand(`exec '${process.execPath}' ${program} '${folder}'`, { cwd: root, env: process.env })
    await command.ended
    return { status: command.status, printed: command.printed, site }
  }

  /** Builds two pages. The first one has the text of the test, and the second one has the heading “Use it”. */
  function buildPages(name: string, text: string): ReturnType<typeof build> {
    const pages = join(directory, `${name}-pages`)
    mkdirSync(join(pages, 'how'), { recursive: true })
    writeFileSync(join(pages, 'index.md'), `# Begin\n\n${text}\n`)
    writeFileSync(join(pages, 'how', 'use.md'), '# How\n\n## Use it\n\nBack to the [beginning](../index.md#begin).\n')
    return build(name, pages, ', nav: [], sidebar: []')
  }

  it('has all pages, with a search for their headings, and has no dead link', { timeout: 240_000 }, async () => {
    const { status, printed, site } = await build('docs', join(root, 'docs'), '')
    assert.equal(status, 0, printed)
    const pages = globSync('**/*.md', { cwd: join(root, 'docs'), exclude: ['.vitepress/**'] })
    const built = pages.map((page) => page.replace(/README\.md$/, 'index.html').replace(/\.md$/, '.html'))
    assert.deepEqual(
      built.filter((page) => !existsSync(join(site, page))),
      [],
    )
    const search = globSync('assets/chunks/@localSearchIndex*.js', { cwd: site })
      .map((file) => readFileSync(join(site, file), 'utf8'))
      .join('')
    assert.ok(search.includes('/page#how-it-looks'), 'the search knows no heading of page.md')
  })

  it('is not built if a page links to a missing page', { timeout: 120_000 }, async () => {
    const { status, printed } = await buildPages('page', '[Use it](how/used.md)')
    assert.notEqual(status, 0, printed)
    assert.match(printed, /dead link .*how\/used.* in file .*index\.md[\s\S]*1 dead link/)
  })

  it('is not built if a page links to a missing heading or file, and names each such link with its page', { timeout: 120_000 }, async () => {
    const { status, printed, site } = await buildPages(
      'heading',
      '[Use it](how/use.md#use-it), not [so](how/use.md#used) or [so](./how/used.json). See the [protocol](../bees/PROTOCOL.md) and the [end](#end).',
    )
    assert.notEqual(status, 0, printed)
    const named = /The site has dead links:\n((?:\S+\.html: .*\n)+)/.exec(printed)?.[1]?.trim().split('\n') ?? []
    assert.deepEqual(named.toSorted(), ['index.html: #end', 'index.html: ./how/use#used', 'index.html: ./how/used.json'])
    assert.match(readFileSync(join(site, 'index.html'), 'utf8'), /<span title="bees\/PROTOCOL\.md of the repository">protocol<\/span>/)
  })
})
