import { globSync } from 'node:fs'
import { resolve, sep } from 'node:path'

/** A group of pages in the menu. Pages are named by their path below `docs/`, without the ending. */
export interface PageGroup {
  readonly title: string
  readonly pages: readonly string[]
}

const docs = resolve(import.meta.dirname, '..')

/** The groups answer the questions that bring a reader: how to begin, how to do something, what exactly there is, and why it is so. */
const named: readonly PageGroup[] = [
  {
    title: 'Tutorial',
    pages: [...['first-swarm', 'own-model', 'python-bee', 'kafka', 'kubernetes'].map((page) => `tutorial/${page}`), 'first-hour'],
  },
  {
    title: 'How to',
    pages: [
      ...['swarms', 'models', 'python', 'stream-bees', 'branches', 'containers', 'outside-services', 'bee-packages', 'testing', 'clients', 'import'],
      ...['protocols', 'kafka', 'schema-registry', 'replicas', 'worker-threads', 'access', 'from-java'],
      ...['operations', 'page', 'trace', 'telemetry', 'analytics', ...folder('operate')],
    ],
  },
  { title: 'Reference', pages: ['settings', 'cli', 'api', 'errors', 'metrics', 'kafka-streams', 'types', 'data-directory'] },
  { title: 'Bees', pages: folder('bees') },
  { title: 'Explanation', pages: ['architecture', 'guarantees', 'security', 'assignment', 'state-on-kafka', 'benchmarks'] },
  { title: 'Decisions', pages: folder('decisions') },
]

/** All pages of the site in the groups of its menu. A new page is in the last group, until it is named in one. */
export const pageGroups: readonly PageGroup[] = [...named, { title: 'More', pages: unnamed() }].filter(({ pages }) => pages.length > 0)

function unnamed(): readonly string[] {
  const known = new Set(['index', ...named.flatMap(({ pages }) => pages)])
  return pagesIn('**/*.md').filter((page) => !known.has(page))
}

/** The pages of a folder, its own page first. */
function folder(name: string): readonly string[] {
  const pages = pagesIn(`${name}/*.md`)
  return [...pages.filter((page) => page.endsWith('README')), ...pages.filter((page) => !page.endsWith('README'))]
}

function pagesIn(pattern: string): readonly string[] {
  const files = globSync(pattern, { cwd: docs, exclude: ['.vitepress/**'] })
  return files.map((file) => file.split(sep).join('/').replace(/\.md$/, '')).sort()
}
