import { existsSync, readdirSync, rmSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'

/**
 * Makes the packages of an image smaller: `node image-packages.ts FOLDER [BACKEND…]`. Deletes files that only other machines or developers need, and
 * the packages of backends that the image does not include. Licences stay.
 */

/** The packages of each optional backend. If a swarm needs a missing backend, the refusal names the missing package. */
const backends: { readonly [name: string]: readonly string[] } = {
  // Without chDB, rows go to the server of CLICKHOUSE_URL.
  clickhouse: ['chdb', '@chdb'],
  tensorflow: ['@tensorflow'],
  onnx: ['onnxruntime-node'],
}

/** Folders of binaries. Each folder contains a folder or file for each kind of machine. */
const binaries: readonly { readonly folder: string; readonly keep: (machine: string) => boolean }[] = [
  { folder: 'onnxruntime-node/bin/napi-v6', keep: (name) => name === process.platform },
  { folder: `onnxruntime-node/bin/napi-v6/${process.platform}`, keep: (name) => name === process.arch },
  { folder: '@nxtedition/rocksdb/prebuilds', keep: (name) => name === `${process.platform}-${process.arch}` },
]

/** Sources of native code, and a second copy of the binaries. */
const leftOut: readonly string[] = ['@nxtedition/rocksdb/deps', '@nxtedition/rocksdb/prebuilds.zip', '@types']

/** Files that no program reads: source maps, declarations of types, manuals, and sources of native code. */
const unread = /\.(map|d\.[cm]?ts|md|markdown|flow|tsbuildinfo|cc|cpp|c|hh?|hpp|gypi?|zip)$/i

export function shrinkPackages(folder: string, without: readonly string[]): void {
  for (const backend of without) {
    const packages = Object.hasOwn(backends, backend) ? backends[backend] : undefined
    if (packages === undefined) throw new Error(`${backend} is no backend: leave out some of ${Object.keys(backends).join(', ')}`)
    for (const name of packages) rmSync(join(folder, name), { recursive: true, force: true })
  }
  for (const path of leftOut) rmSync(join(folder, path), { recursive: true, force: true })
  for (const { folder: below, keep } of binaries) {
    const path = join(folder, below)
    if (existsSync(path)) for (const name of readdirSync(path)) if (!keep(name)) rmSync(join(path, name), { recursive: true })
  }
  removeUnread(folder)
}

function removeUnread(folder: string): void {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name)
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) {
      removeUnread(path)
      if (readdirSync(path).length === 0) rmSync(path, { recursive: true })
    } else if (unread.test(name) && !/^(licen[cs]e|notice|copying)/i.test(basename(path))) rmSync(path)
  }
}

if (import.meta.main) {
  const [folder = '', ...without] = process.argv.slice(2)
  shrinkPackages(
    folder,
    without.flatMap((names) => names.split(',')).filter((name) => name !== ''),
  )
}
