import { copyFileSync, readFileSync } from 'node:fs'
import { posix, resolve } from 'node:path'
import { defineConfig, type MarkdownRenderer } from 'vitepress'
import { deadLinksIn } from './dead-links.ts'
import { headingId } from './heading-id.ts'
import { pageGroups } from './pages.ts'

const docs = resolve(import.meta.dirname, '..')

/**
 * The site of the pages in `docs/`, with a search that needs no server. `npm run docs` builds it into `docs/.vitepress/dist`, and fails on a dead
 * link. VitePress finds links to missing pages, and `deadLinksIn` finds links to missing headings and files.
 */
export default defineConfig({
  title: 'Waggle',
  description: 'Stateful stream processing that runs machine-learning swarms',
  lastUpdated: false,
  cleanUrls: true,
  rewrites: { 'bees/README.md': 'bees/index.md', 'decisions/README.md': 'decisions/index.md' },
  markdown: {
    anchor: { slugify: headingId },
    config: (md) => {
      withoutTemplates(md)
      withoutRepositoryLinks(md)
    },
  },
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    nav: pageGroups.map(({ title, pages: [first = 'index'] }) => ({ text: title, link: linkOf(first) })),
    sidebar: pageGroups.map(({ title, pages }) => ({
      text: title,
      collapsed: pages.length > 12,
      items: pages.map((page) => ({ text: titleOf(page), link: linkOf(page) })),
    })),
  },
  buildEnd({ outDir, srcDir, pages }) {
    if (pages.includes('bees/README.md')) copyFileSync(resolve(srcDir, 'bees/swarm.schema.json'), resolve(outDir, 'bees/swarm.schema.json'))
    const dead = deadLinksIn(outDir)
    if (dead.length > 0) throw new Error(`The site has dead links:\n${dead.join('\n')}`)
  },
})

/** Escapes `{{ … }}`. Swarm files name secrets in this form, and the templates of the site would evaluate it. */
function withoutTemplates(md: MarkdownRenderer): void {
  for (const rule of ['text', 'code_inline'] as const) {
    const plain = md.renderer.rules[rule]
    md.renderer.rules[rule] = (...given) => (plain?.(...given) ?? '').replaceAll('{{', '&#123;&#123;')
  }
}

/** Keeps only the text of a link to a file outside of `docs/`, because the site does not have that file. `test/docs/links.test.ts` checks such links. */
function withoutRepositoryLinks(md: MarkdownRenderer): void {
  md.core.ruler.push('repository-links', ({ tokens, env }) => {
    const folder = posix.dirname(String(env.relativePath ?? ''))
    for (const { children } of tokens) {
      let isOutside = false
      for (const token of children ?? []) {
        if (token.type === 'link_open') {
          const path = posix.join(folder, token.attrGet('href') ?? '')
          isOutside = path.startsWith('../')
          if (isOutside)
            Object.assign(token, { type: 'span_open', tag: 'span', attrs: [['title', `${path.replace(/^(\.\.\/)+/, '')} of the repository`]] })
        } else if (token.type === 'link_close' && isOutside) {
          Object.assign(token, { type: 'span_close', tag: 'span' })
          isOutside = false
        }
      }
    }
  })
}

function linkOf(page: string): string {
  return `/${page.replace(/README$/, '')}`
}

/** The first heading of a page, up to its colon. */
function titleOf(page: string): string {
  const [, heading = page] = /^# (.*)$/m.exec(readFileSync(resolve(docs, `${page}.md`), 'utf8')) ?? []
  return heading.replaceAll('`', '').replace(/:.*$/, '')
}
