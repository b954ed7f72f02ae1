import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { defineConfig } from 'vitepress'
import { pageGroups } from './pages.ts'

const docs = resolve(import.meta.dirname, '..')

/** The site of the pages in `docs/`, with a search that needs no server. `npm run docs` builds it into `docs/.vitepress/dist`. */
export default defineConfig({
  title: 'Waggle',
  description: 'Stateful stream processing that runs machine-learning swarms',
  lastUpdated: false,
  cleanUrls: true,
  rewrites: { 'bees/README.md': 'bees/index.md', 'decisions/README.md': 'decisions/index.md' },
  // Pages link to files of the repository outside of docs/ too, which the site does not have. test/docs/links.test.ts checks those.
  ignoreDeadLinks: [/^\.?\/?(\.\.\/)+/, /\.(schema\.json|json|ts|yml)$/],
  markdown: {
    config: (md) => {
      // The site's templates would compute {{ … }}, which swarm files write for secrets.
      for (const rule of ['text', 'code_inline'] as const) {
        const plain = md.renderer.rules[rule]
        md.renderer.rules[rule] = (...given) => (plain?.(...given) ?? '').replaceAll('{{', '&#123;&#123;')
      }
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
})

function linkOf(page: string): string {
  return `/${page.replace(/README$/, '')}`
}

/** The first heading of a page, up to its colon. */
function titleOf(page: string): string {
  const [, heading = page] = /^# (.*)$/m.exec(readFileSync(resolve(docs, `${page}.md`), 'utf8')) ?? []
  return heading.replaceAll('`', '').replace(/:.*$/, '')
}
