import { globSync, readFileSync } from 'node:fs'
import { dirname, isAbsolute, relative, resolve, sep } from 'node:path'

/** A forbidden import. `message` names the allowed imports. */
export interface WrongImport {
  readonly file: string
  readonly line: number
  readonly message: string
}

type Room = keyof typeof mayImport

/**
 * The rooms, which are the top-level folders, and the files that each room may import in addition to its own. An entry that ends in `/` is a whole
 * room.
 */
const mayImport = {
  topology: [],
  processor: ['topology/'],
  bees: ['topology/'],
  connectors: ['topology/', 'processor/ports.ts'],
  ops: ['topology/', 'processor/', 'bees/', 'connectors/'],
  swarms: ['bees/'],
  examples: [],
  test: ['topology/', 'processor/', 'bees/', 'connectors/', 'ops/', 'swarms/', 'examples/'],
} as const satisfies { readonly [room: string]: readonly string[] }

const advice: { readonly [room in Room]: string } = {
  topology: 'topology imports nothing: put what it needs into topology/',
  processor: 'processor imports only topology/; the world outside comes through processor/ports.ts',
  bees: 'bees import topology/; connectors are injected as BeeContext.ports',
  connectors: 'connectors import topology/, processor/ports.ts and each other',
  ops: 'nobody imports a swarm or a test',
  swarms: 'a swarm imports waggle-streams, as a user does',
  examples: 'an example imports waggle-streams, as a user does',
  test: '',
}

/** Rooms that use time, randomness, disks and sockets only through ports. The simulator can therefore repeat a run exactly from its seed. */
const pureRooms: ReadonlySet<Room> = new Set(['topology', 'processor'])
const outsideWorld = /^node:(fs|net|tls|http2?|https|dgram|dns|child_process|worker_threads|cluster|timers|readline|os)(\/|$)/

/** Finds the forbidden imports of a source. `file` is relative to the root, with forward slashes. */
export function wrongImports(file: string, source: string): readonly WrongImport[] {
  const room = roomOf(file)
  if (room === null) return []
  return importsOf(source).flatMap(({ specifier, line }) => {
    const message = complaint(room, file, specifier)
    return message === null ? [] : [{ file, line, message }]
  })
}

/**
 * Allowed directions that no import uses, as `room → path`. `sources` has the sources of the repository by path. If a whole room is allowed, an
 * import of any of its files is a use.
 */
export function unusedDirections(sources: ReadonlyMap<string, string>): readonly string[] {
  const used = new Set<string>()
  for (const [file, source] of sources) {
    const room = roomOf(file)
    if (room === null) continue
    for (const { specifier } of importsOf(source)) {
      const target = resolvedTarget(file, specifier)
      const allowed: readonly string[] = mayImport[room]
      const path = target === null ? undefined : allowed.find((one) => covers(one, target))
      if (path !== undefined) used.add(`${room} → ${path}`)
    }
  }
  const declared = Object.entries(mayImport).flatMap(([room, paths]) => paths.map((path) => `${room} → ${path}`))
  return declared.filter((direction) => !used.has(direction))
}

function covers(path: string, target: string): boolean {
  return path.endsWith('/') ? target.startsWith(path) : target === path
}

function complaint(room: Room, file: string, specifier: string): string | null {
  if (room === 'examples' && specifier.startsWith(packageName)) return null
  if (pureRooms.has(room) && outsideWorld.test(specifier)) return `${room} reaches ${specifier}; give it a port in processor/ports.ts instead`
  const target = resolvedTarget(file, specifier)
  if (target === null) return null
  const to = roomOf(target)
  if (room === 'processor' && target.startsWith(steps) && !file.startsWith(steps))
    return `the engine imports ${target}; a swarm's graph supplies its steps`
  if (to === null || to === room) return null
  const allowed: readonly string[] = mayImport[room]
  return allowed.some((path) => covers(path, target)) ? null : `${room} imports ${target}; ${advice[room]}`
}

const packageName = 'waggle-streams'
/** The folder with the steps of swarms. The rest of the room runs any topology. */
const steps = 'processor/swarm/'

/**
 * The target of an import. An import of the package counts as an import of the room bees, because the package loads logs and databases only when they
 * are used.
 */
function resolvedTarget(file: string, specifier: string): string | null {
  return specifier === packageName || specifier.startsWith(`${packageName}/`) ? 'bees/index.ts' : targetOf(file, specifier)
}

export function targetOf(file: string, specifier: string): string | null {
  if (!specifier.startsWith('.')) return null
  const target = relative('/', resolve('/', dirname(file), specifier))
  return isAbsolute(target) ? null : target.split(sep).join('/')
}

function roomOf(file: string): Room | null {
  const room = file.split('/', 1)[0] ?? ''
  return Object.hasOwn(mayImport, room) ? (room as Room) : null
}

/**
 * Finds static and dynamic imports, re-exports, and files from which a worker starts (`new URL('…', import.meta.url)`). `isRunTime` is true for a
 * static import of values.
 */
export function importsOf(source: string): readonly { readonly specifier: string; readonly line: number; readonly isRunTime: boolean }[] {
  const code = source.replace(commentOrString, (piece) => (piece.startsWith('/') ? piece.replace(/[^\n]/g, ' ') : piece))
  return [...code.matchAll(importing)].map((match) => {
    const specifier = match[1] ?? match[2] ?? match[3] ?? ''
    const line = code.slice(0, match.index + match[0].lastIndexOf(specifier)).split('\n').length
    return { specifier, line, isRunTime: /^(?:import|export)\s(?!\s*type\s)/.test(match[0]) }
  })
}

const commentOrString = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"/g
const importing =
  /\b(?:import|export)\s(?:[^'";()]*?\sfrom\s*)?['"]([^'"\n]+)['"]|\bimport\(\s*['"]([^'"\n]+)['"]|\bnew URL\(\s*['"](\.[^'"\n]+)['"]/g

if (import.meta.main) {
  const root = resolve(import.meta.dirname, '..', '..')
  const files = globSync(`{${Object.keys(mayImport).join(',')}}/**/*.{ts,mjs,js}`, { cwd: root, exclude: ['**/node_modules/**'] })
  const sources = new Map(files.map((file) => [file.split(sep).join('/'), readFileSync(resolve(root, file), 'utf8')]))
  const wrong = [...sources].flatMap(([file, source]) => wrongImports(file, source))
  const unused = unusedDirections(sources)
  for (const { file, line, message } of wrong) process.stderr.write(`${file}:${line}: ${message}\n`)
  for (const direction of unused) process.stderr.write(`Nothing takes the direction ${direction}: take it out of ops/check/import-direction.ts\n`)
  process.exitCode = wrong.length + unused.length === 0 ? 0 : 1
}
