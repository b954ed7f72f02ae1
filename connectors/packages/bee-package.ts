import { createHash } from 'node:crypto'
import { existsSync, lstatSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { WaggleError } from '../../topology/waggle-error.ts'
import { readBounded } from '../system/bounded-file.ts'

/** An installed npm package that contains a type of bee. */
export interface BeePackage {
  readonly name: string
  readonly version: string
  /** The hash of all files of the package, as `sha512-BASE64`. */
  readonly integrity: string
  /** The absolute path of the module whose default export is the type of bee. */
  readonly main: string
}

/**
 * Finds a package, starting in a folder, as Node finds packages, and hashes its files. Throws WAGGLE_BEE_PACKAGE if the package is not installed,
 * does not declare itself a bee, or is too large.
 */
export function beePackage(name: string, from: string): BeePackage {
  if (!packageName.test(name)) throw unfit(`${JSON.stringify(name)} is not the name of an npm package`, 'Name a package, such as waggle-bee-words.')
  const require = createRequire(resolve(from, 'swarm.yaml'))
  const folder = (require.resolve.paths(name) ?? []).map((modules) => join(modules, name)).find((one) => existsSync(join(one, 'package.json')))
  if (folder === undefined)
    throw unfit(
      `No package ${name} is installed for ${resolve(from)}`,
      `Install the package: npm install ${name}. For a package of the Python index: waggle bees add ${name} --python.`,
    )
  const { version, keywords } = manifestIn(folder)
  if (!Array.isArray(keywords) || !keywords.includes(beeKeyword))
    throw unfit(
      `${name} is not a bee: its package.json lacks the keyword ${beeKeyword}`,
      `Name a package that is a bee, or add the keyword if it is yours.`,
    )
  if (typeof version !== 'string') throw unfit(`The package.json of ${name} has no version`, 'Give the package a version.')
  try {
    return { name, version, integrity: integrityOf(realpathSync(folder)), main: require.resolve(name) }
  } catch (thrown) {
    if (thrown instanceof WaggleError) throw thrown
    throw new WaggleError('WAGGLE_BEE_PACKAGE', {
      message: `${name} has no module that can be loaded: ${thrown instanceof Error ? thrown.message.split('\n', 1)[0] : String(thrown)}`,
      next: 'Correct "exports" or "main" of its package.json, or install the package again.',
      cause: thrown,
    })
  }
}

/** The keyword under which npm lists packages that are bees. */
export const beeKeyword = 'waggle-bee'
const packageName = /^(?:@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]{0,213}$/

function manifestIn(folder: string): { readonly [key: string]: unknown } {
  const file = join(folder, 'package.json')
  const bytes = readBounded(file, { maxBytes: maxManifestBytes, next: 'Install the package again.' })
  try {
    const manifest: unknown = JSON.parse(Buffer.from(bytes).toString())
    if (manifest !== null && typeof manifest === 'object') return manifest as { readonly [key: string]: unknown }
  } catch {
    // The error below says that the package is missing.
  }
  throw unfit(`${file} is not a JSON object`, 'Install the package again.')
}

/**
 * Hashes the paths, lengths and contents of all files, in the order of their paths. The package's own `node_modules` are left out, because npm's lock
 * file has the hashes of the packages there.
 */
function integrityOf(folder: string): string {
  const hash = createHash('sha512')
  let bytes = 0
  for (const file of filesIn(folder, '')) {
    const content = readFileSync(join(folder, file))
    bytes += content.length
    if (bytes > maxPackageBytes) throw unfit(`The package in ${folder} has more than ${maxPackageBytes / 1e6} MB`, 'Leave large files out of it.')
    hash.update(`${file}\0${content.length}\0`).update(content)
  }
  return `sha512-${hash.digest('base64')}`
}

function filesIn(folder: string, within: string): readonly string[] {
  const files: string[] = []
  for (const name of readdirSync(join(folder, within)).sort()) {
    const path = within === '' ? name : `${within}/${name}`
    if (name === 'node_modules') continue
    const stats = lstatSync(join(folder, path))
    if (stats.isSymbolicLink()) throw unfit(`${join(folder, path)} is a link, which a package may not have`, 'Install the package again.')
    if (stats.isDirectory()) files.push(...filesIn(folder, path))
    else if (stats.isFile()) files.push(path)
    if (files.length > maxFiles) throw unfit(`The package in ${folder} has more than ${maxFiles} files`, 'Leave files out of it.')
  }
  return files
}

const maxManifestBytes = 1024 * 1024
const maxPackageBytes = 100_000_000
const maxFiles = 10_000

function unfit(message: string, next: string): WaggleError {
  return new WaggleError('WAGGLE_BEE_PACKAGE', { message, next })
}
