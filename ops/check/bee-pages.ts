import { globSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { BeeRegistry } from '../../bees/registry.ts'
import type { BeeCatalog } from '../../topology/swarm/bee-type.ts'
import { editorSchema } from '../../topology/swarm/check/swarm-schema.ts'
import { typePage, typesPage } from '../catalog/type-page.ts'

/** The files of `docs/bees/` by name: a page for each bee type, the list of all types, and the JSON Schema for editors. */
export function beePages(catalog: BeeCatalog): ReadonlyMap<string, string> {
  return new Map([
    ['README.md', typesPage(catalog.types)],
    ['swarm.schema.json', `${JSON.stringify(editorSchema(catalog), null, 2)}\n`],
    ...catalog.types.map((type) => [`${type.type}.md`, typePage(type)] as const),
  ])
}

/** The names of files that differ from `pages`, are missing, or are superfluous. `files` has the contents of the folder. */
export function stalePages(pages: ReadonlyMap<string, string>, files: ReadonlyMap<string, string>): readonly string[] {
  return [...new Set([...pages.keys(), ...files.keys()])].filter((name) => pages.get(name) !== files.get(name)).sort()
}

if (import.meta.main) {
  const folder = resolve(import.meta.dirname, '..', '..', 'docs', 'bees')
  const pages = beePages(new BeeRegistry())
  const files = new Map(globSync(join(folder, '*')).map((path) => [basename(path), readFileSync(path, 'utf8')]))
  const stale = stalePages(pages, files)
  if (process.argv.includes('--write')) {
    for (const name of stale) {
      const content = pages.get(name)
      if (content === undefined) rmSync(join(folder, name))
      else writeFileSync(join(folder, name), content)
    }
  } else {
    for (const name of stale) process.stderr.write(`docs/bees/${name} is stale: run \`node ops/check/bee-pages.ts --write\`.\n`)
    process.exitCode = stale.length === 0 ? 0 : 1
  }
}
