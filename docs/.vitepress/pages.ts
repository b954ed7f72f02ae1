import { globSync } from 'node:fs'
import { resolve, sep } from 'node:path'

/** A group of pages in the menu. Pages are named by their path below `docs/`, without the ending. */
export interface PageGroup {
  readonly title: string
  readonly pages: readonly string[]
}

/** All pages by the question that brings a reader: how to begin, how to do something, what exactly there is, and why it is so. */
export const pageGroups: readonly PageGroup[] = [
  { title: 'Tutorial', pages: ['first-hour'] },
  {
    title: 'How to',
    pages: [
      ...['swarms', 'models', 'python', 'stream-bees', 'branches', 'containers', 'outside-services', 'bee-packages', 'testing', 'clients', 'import'],
      ...['kafka', 'schema-registry', 'replicas', 'worker-threads', 'access', 'from-java'],
      ...['operations', 'page', 'trace', 'analytics', 'telemetry', ...folder('operate')],
    ],
  },
  { title: 'Reference', pages: ['errors', 'metrics', 'kafka-streams', 'types', 'data-directory'] },
  { title: 'Bees', pages: folder('bees') },
  { title: 'Explanation', pages: ['architecture', 'guarantees', 'security', 'assignment', 'state-on-kafka', 'benchmarks'] },
  { title: 'Decisions', pages: folder('decisions') },
]

/** The pages of a folder, its own page first. */
function folder(name: string): readonly string[] {
  const files = globSync('*.md', { cwd: resolve(import.meta.dirname, '..', name) })
  const pages = files.map((file) => `${name}/${file.split(sep).join('/').replace(/\.md$/, '')}`).sort()
  return [...pages.filter((page) => page.endsWith('README')), ...pages.filter((page) => !page.endsWith('README'))]
}
