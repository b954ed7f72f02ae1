import { globSync, readFileSync } from 'node:fs'
import { dirname, isAbsolute, relative, resolve, sep } from 'node:path'

/** An import against the allowed directions, with the allowed ones. */
export interface WrongImport {
  readonly file: string
  readonly line: number
  readonly message: string
}

type Room = keyof typeof mayImport

/** The rooms that each room may import, beside itself. An entry that ends in `/` is a whole room. */
const mayImport = {
  topology: [],
  processor: ['topology/'],
  bees: ['topology/', 'processor/'],
  connectors: ['topology/', 'processor/ports.ts'],
  ops: ['topology/', 'processor/', 'bees/', 'connectors/'],
  swarms: ['topology/', 'processor/', 'bees/', 'connectors/'],
  examples: [],
  test: ['topology/', 'processor/', 'bees/', 'connectors/', 'ops/', 'swarms/', 'examples/'],
} as const satisfies { readonly [room: string]: readonly string[] }

const advice: { readonly [room in Room]: string } = {
  topology: 'topology imports nothing: put what it needs into topology/',
  processor: 'processor imports only topology/; the world outside comes through processor/ports.ts',
  bees: 'bees import topology/ and processor/; connectors are injected as BeeContext.ports',
  connectors: 'connectors import topology/, processor/ports.ts and each other',
  ops: 'nobody imports a swarm or a test',
  swarms: 'nobody imports ops: it wires, it is not a library',
  examples: 'an example imports waggle-streams, as a user does',
  test: '',
}

/** Rooms that use time, randomness, disks and sockets only through ports, so that one seed gives one history. */
const pureRooms: ReadonlySet<Room> = new Set(['topology', 'processor'])
const outsideWorld = /^node:(fs|net|tls|http2?|https|dgram|dns|child_process|worker_threads|cluster|timers|readline|os)(\/|$)/

/** Finds the wrong imports of a source. `file` is relative to the root, with forward slashes. */
export function wrongImports(file: string, source: string): readonly WrongImport[] {
  const room = roomOf(file)
  if (room === null) return []
  return importsOf(source).flatMap(({ specifier, line }) => {
    const message = complaint(room, file, specifier)
    return message === null ? [] : [{ file, line, message }]
  })
}

function complaint(room: Room, file: string, specifier: string): string | null {
  if (room === 'examples' && specifier.startsWith(packageName)) return null
  if (pureRooms.has(room) && outsideWorld.test(specifier)) return `${room} reaches ${specifier}; give it a port in processor/ports.ts instead`
  // The package's own name counts as bees/index.ts: importing it loads types and names, and the rest is loaded on demand.
  const target = specifier === packageName || specifier.startsWith(`${packageName}/`) ? 'bees/index.ts' : targetOf(file, specifier)
  if (target === null) return null
  const to = roomOf(target)
  if (to === null || to === room) return null
  const allowed: readonly string[] = mayImport[room]
  return allowed.some((path) => (path.endsWith('/') ? target.startsWith(path) : target === path))
    ? null
    : `${room} imports ${target}; ${advice[room]}`
}

const packageName = 'waggle-streams'

export function targetOf(file: string, specifier: string): string | null {
  if (!specifier.startsWith('.')) return null
  const target = relative('/', resolve('/', dirname(file), specifier))
  return isAbsolute(target) ? null : target.split(sep).join('/')
}

function roomOf(file: string): Room | null {
  const room = file.split('/', 1)[0] ?? ''
  return Object.hasOwn(mayImport, room) ? (room as Room) : null
}

/** Static and dynamic imports, re-exports, and files that a worker is started from (`new URL('…', import.meta.url)`). */
export function importsOf(source: string): readonly { readonly specifier: string; readonly line: number }[] {
  const code = source.replace(commentOrString, (piece) => (piece.startsWith('/') ? piece.replace(/[^\n]/g, ' ') : piece))
  return [...code.matchAll(importing)].map((match) => {
    const specifier = match[1] ?? match[2] ?? match[3] ?? ''
    return { specifier, line: code.slice(0, match.index + match[0].lastIndexOf(specifier)).split('\n').length }
  })
}

const commentOrString = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"/g
const importing =
  /\b(?:import|export)\s(?:[^'";()]*?\sfrom\s*)?['"]([^'"\n]+)['"]|\bimport\(\s*['"]([^'"\n]+)['"]|\bnew URL\(\s*['"](\.[^'"\n]+)['"]/g

if (import.meta.main) {
  const root = resolve(import.meta.dirname, '..', '..')
  const files = globSync(`{${Object.keys(mayImport).join(',')}}/**/*.{ts,mjs,js}`, { cwd: root, exclude: ['**/node_modules/**'] })
  const wrong = files.flatMap((file) => wrongImports(file.split(sep).join('/'), readFileSync(resolve(root, file), 'utf8')))
  for (const { file, line, message } of wrong) process.stderr.write(`${file}:${line}: ${message}\n`)
  process.exitCode = wrong.length === 0 ? 0 : 1
}
