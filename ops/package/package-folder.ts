import { spawnSync } from 'node:child_process'
import { cpSync, globSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { decode, encode } from '@jridgewell/sourcemap-codec'

/**
 * `npm pack` packs the compiled sources in `dist/`, and a package.json that names compiled files, because Node does not run TypeScript in
 * node_modules. The repository's own package.json names sources, so it is moved aside while npm packs:
 *
 *     prepack (compiles, puts aside) ──► npm packs ──► postpack (puts back, removes dist/)
 */
const root = resolve(import.meta.dirname, '..', '..')
const dist = join(root, 'dist')
const manifest = join(root, 'package.json')
const aside = join(root, '.waggle', 'package-while-packing.json')

/** Files that are copied without being compiled. */
const copied = [
  'ops/setup/waggle.mjs',
  'ops/setup/node.mjs',
  'ops/setup/run-on-node.mjs',
  'ops/setup/npm.mjs',
  'ops/setup/bring-node.mjs',
  'ops/setup/bring-dependencies.mjs',
  'connectors/clickhouse/engine',
  'connectors/gateway/grpc/protos',
  'ops/init/templates',
  'ops/page/assets',
  'ops/convert/convert.py',
]

export function preparePackage(): void {
  // After an interrupted pack, package.json may still be the published one, so the repository's package.json is restored.
  restorePackage()
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  // The type declarations keep the comments. Copies in the JavaScript and in the source maps would make the package a fifth larger.
  for (const options of [['--declaration', 'false', '--removeComments'], ['--emitDeclarationOnly']]) {
    const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.package.json'), ...options], { encoding: 'utf8' })
    if (status !== 0) throw new Error(`The sources cannot be compiled:\n${stdout}`)
  }
  for (const map of globSync('**/*.js.map', { cwd: dist })) writeFileSync(join(dist, map), smallMap(readFileSync(join(dist, map), 'utf8')))
  keepPublicComments()
  for (const file of copied) cpSync(join(root, file), join(dist, file), { recursive: true })
  mkdirSync(dirname(aside), { recursive: true })
  cpSync(manifest, aside)
  writeFileSync(manifest, `${JSON.stringify(publishedManifest(readManifest()), null, 2)}\n`)
}

export function restorePackage(): void {
  // A package.json that names sources is the repository's own, and may be newer than the file that was moved aside.
  if (isPublished(readManifest())) renameSync(aside, manifest)
  rmSync(dist, { recursive: true, force: true })
}

/** The members of package.json that differ between the repository and the published package. */
interface Manifest {
  readonly bin: { readonly waggle: string; readonly [name: string]: string }
  readonly exports: { readonly [name: string]: string }
  readonly scripts: { readonly [name: string]: string }
  readonly devDependencies: object
  readonly allowScripts: object
  readonly private?: boolean
}

/**
 * A source map with the line of each position, but without columns, because the columns would be a fifth of the package. Its sources have empty lines
 * in place of comments, so that line numbers stay the same. Comments beside code are kept.
 */
function smallMap(map: string): string {
  const { sourcesContent, mappings, ...rest } = JSON.parse(map) as { readonly sourcesContent: readonly string[]; readonly mappings: string }
  return JSON.stringify({
    ...rest,
    sourcesContent: sourcesContent.map((source) => source.replace(/^[ \t]*(?:\/\/|\/\*\*|\*(?=[ /]|$)).*$/gm, '')),
    mappings: encode(decode(mappings).map((segments) => segments.filter((segment, at) => at === 0 || segment[2] !== segments[at - 1]?.[2]))),
  })
}

/**
 * Removes the comments of declarations that no user of the package imports, because they would be a twentieth of the package. Everything in `topology/`
 * keeps its comments: it has the types of the public API.
 */
function keepPublicComments(): void {
  const kept = exportedFiles(Object.values(readManifest().exports).filter((file) => file.endsWith('.ts')))
  for (const file of globSync('{bees,connectors,ops,processor}/**/*.d.ts', { cwd: dist })) {
    if (kept.has(join(dist, file))) continue
    const text = readFileSync(join(dist, file), 'utf8')
    writeFileSync(join(dist, file), text.replace(/^[ \t]*\/\*\*.*?\*\/\n/gms, ''))
  }
}

/** The declarations of these sources, and of all files that they export from. */
function exportedFiles(sources: readonly string[]): ReadonlySet<string> {
  const waiting = sources.map((source) => join(root, compiled(source, '.d.ts')))
  const found = new Set<string>()
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (found.has(file)) continue
    found.add(file)
    for (const [, from = ''] of readFileSync(file, 'utf8').matchAll(/^export .*? from '(\.[^']*)';$/gm))
      waiting.push(join(dirname(file), from.replace(/\.js$|\.ts$/, '.d.ts')))
  }
  return found
}

function readManifest(): Manifest {
  return JSON.parse(readFileSync(manifest, 'utf8')) as Manifest
}

function isPublished({ bin }: Manifest): boolean {
  return bin.waggle.startsWith('./dist/')
}

/** The published package.json. It names compiled files, and lacks the members that only the repository uses. */
function publishedManifest({ devDependencies: _dev, allowScripts: _allowed, private: _private, ...rest }: Manifest): object {
  const exports = Object.entries(rest.exports).map(([name, file]) => [
    name,
    file.endsWith('.ts') ? { types: compiled(file, '.d.ts'), default: compiled(file, '.js') } : file,
  ])
  // The two scripts stay, because this package.json is still in the repository after an interrupted pack, and the next `npm pack` must run them.
  const { prepack, postpack } = rest.scripts
  return {
    ...rest,
    scripts: { prepack, postpack },
    bin: Object.fromEntries(Object.entries(rest.bin).map(([name, file]) => [name, file.replace(/^\.\//, './dist/')])),
    exports: Object.fromEntries(exports),
  }
}

function compiled(file: string, ending: string): string {
  return file.replace(/^\.\//, './dist/').replace(/\.ts$/, ending)
}
