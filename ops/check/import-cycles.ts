import { globSync, readFileSync } from 'node:fs'
import { resolve, sep } from 'node:path'
import { importsOf, targetOf } from './import-direction.ts'

/** Files that import each other at run time on purpose, with the reason. No other file may be in the same cycle. */
const allowed: readonly { readonly why: string; readonly files: readonly string[] }[] = [
  {
    why: 'A call on a stream gives a table and a call on a table gives a stream, so their classes construct each other',
    files: [
      'topology/streams/async-stream.ts',
      'topology/streams/branched-stream.ts',
      'topology/streams/cogrouped-stream.ts',
      'topology/streams/grouped-stream.ts',
      'topology/streams/grouped-table.ts',
      'topology/streams/kstream.ts',
      'topology/streams/ktable.ts',
    ],
  },
]

/**
 * Cycles of imports at run time, as sorted files. Type-only and dynamic imports do not count. `sources` has the text of each file, by its path
 * relative to the root.
 */
export function importCycles(sources: ReadonlyMap<string, string>): readonly (readonly string[])[] {
  const imports = new Map([...sources].map(([file, source]) => [file, runTimeImports(file, source).filter((target) => sources.has(target))]))
  return stronglyConnected(imports).map((cycle) => [...cycle].sort())
}

/**
 * Cycles of folders within the rooms of `layeredRooms`. A folder in a cycle cannot be understood by itself. Every import counts, even a type-only
 * import. Files directly in a room do not count, and a folder includes the folders inside it.
 */
export function folderCycles(sources: ReadonlyMap<string, string>): readonly (readonly string[])[] {
  const imports = new Map<string, string[]>()
  for (const [file, source] of sources) {
    const folder = folderOf(file)
    if (folder === null) continue
    const targets = imports.get(folder) ?? []
    imports.set(folder, targets)
    for (const { specifier } of importsOf(source)) {
      const target = targetOf(file, specifier)
      const other = target === null ? null : folderOf(target)
      if (other !== null && other !== folder && !targets.includes(other)) targets.push(other)
    }
  }
  return stronglyConnected(imports).map((cycle) => [...cycle].sort())
}

function folderOf(file: string): string | null {
  const [room = '', folder = '', ...rest] = file.split('/')
  return layeredRooms.has(room) && rest.length > 0 ? `${room}/${folder}` : null
}

const layeredRooms: ReadonlySet<string> = new Set(['processor'])

/** A sentence for each cycle that is not allowed, and for each allowed cycle that no longer exists or has fewer files. */
export function complaints(cycles: readonly (readonly string[])[], allowance = allowed): readonly string[] {
  const wrong = cycles
    .filter((cycle) => !allowance.some(({ files }) => sameFiles(files, cycle)))
    .map((cycle) => `These files import each other at run time: ${cycle.join(', ')}. Move what both need into a file of its own.`)
  const gone = allowance
    .filter(({ files }) => !cycles.some((cycle) => sameFiles(files, cycle)))
    .map(({ files }) => `The allowed import cycle of ${files.join(', ')} is not there: correct the list in ops/check/import-cycles.ts.`)
  return [...wrong, ...gone]
}

function sameFiles(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((file) => other.includes(file))
}

function runTimeImports(file: string, source: string): readonly string[] {
  return importsOf(source).flatMap(({ specifier, isRunTime }) => {
    const target = isRunTime ? targetOf(file, specifier) : null
    return target === null ? [] : [target]
  })
}

/** Tarjan's algorithm: groups of two or more files that all reach each other, and files that import themselves. */
function stronglyConnected(edges: ReadonlyMap<string, readonly string[]>): readonly (readonly string[])[] {
  const found: string[][] = []
  const indexes = new Map<string, number>()
  const lowest = new Map<string, number>()
  const stack: string[] = []
  const visit = (file: string): number => {
    const index = indexes.size
    indexes.set(file, index)
    let low = index
    stack.push(file)
    for (const target of edges.get(file) ?? []) {
      if (!indexes.has(target)) low = Math.min(low, visit(target))
      else if (stack.includes(target)) low = Math.min(low, lowest.get(target) ?? indexes.get(target) ?? low)
    }
    lowest.set(file, low)
    if (low === index) {
      const group = stack.splice(stack.indexOf(file))
      if (group.length > 1 || edges.get(file)?.includes(file)) found.push(group)
    }
    return low
  }
  for (const file of edges.keys()) if (!indexes.has(file)) visit(file)
  return found
}

if (import.meta.main) {
  const root = resolve(import.meta.dirname, '..', '..')
  const files = globSync('{topology,processor,bees,connectors,ops,swarms,examples,test}/**/*.{ts,mjs,js}', {
    cwd: root,
    exclude: ['**/node_modules/**'],
  })
  const sources = new Map(files.map((file) => [file.split(sep).join('/'), readFileSync(resolve(root, file), 'utf8')]))
  const folders = folderCycles(sources).map(
    (cycle) => `These folders import each other: ${cycle.join(', ')}. Let one of them know nothing of the others.`,
  )
  const wrong = [...complaints(importCycles(sources)), ...folders]
  for (const message of wrong) process.stderr.write(`${message}\n`)
  process.exitCode = wrong.length === 0 ? 0 : 1
}
