import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { WaggleError } from '../../topology/waggle-error.ts'
import { indexPackages } from './index-packages.ts'
import { requirementsText } from './requirements-text.ts'

/** The lines that requirements may have: packages of the configured index alone, or anything that the installer takes. */
export type AllowedRequirements = 'packages' | 'anything'

/** The packages that a bee needs. */
export type Requirements = WrittenRequirements | CheckedRequirements | LockedRequirements

/** Packages of the index, read from a user's file. The installer gets the lines, and not the file. */
interface CheckedRequirements {
  readonly file: string
  readonly kind: 'checked'
  readonly hash: string
  /** The content of a `requirements.txt`. */
  readonly lines: string
  /** The content of a constraints file. */
  readonly constraints: string
}

/** Packages that a user's file names. */
interface WrittenRequirements {
  readonly file: string
  readonly kind: 'requirements' | 'pyproject'
  /** A hash that changes when the file or an included file changes. */
  readonly hash: string
}

/** Packages of a lock file. Each package has a hash, and the installer refuses any other package or file. */
export interface LockedRequirements {
  readonly file: string
  readonly kind: 'locked'
  readonly hash: string
  /** The content of a `requirements.txt`. */
  readonly lines: string
}

/**
 * The requirements of a bee: the named file, else `requirements.txt` or `pyproject.toml` beside the bee's file. Null if the requirements name no
 * package. Throws WAGGLE_PYTHON_ENVIRONMENT if a file cannot be read, and WAGGLE_REQUIREMENT_REFUSED for a line that is not allowed.
 */
export function requirementsOf(named: string | null, beeFile: string, allowed: AllowedRequirements): Requirements | null {
  const file = fileOf(named, beeFile)
  if (file === undefined) return null
  const isProject = basename(file).endsWith('.toml')
  if (allowed === 'anything') return isProject ? ofProject(file, named !== null) : ofLines(file)
  // The lines are checked before anything that they include is read.
  const { lines, constraints } = indexPackages(file, { isNamed: named !== null })
  if (isProject && ofProject(file, named !== null) === null) return null
  return lines.every((line) => line.startsWith('--')) ? null : checked(file, lines, constraints)
}

function checked(file: string, lines: readonly string[], constraints: readonly string[]): CheckedRequirements {
  const text = (list: readonly string[]) => list.map((line) => `${line}\n`).join('')
  const content = { lines: text(lines), constraints: text(constraints) }
  return { file, kind: 'checked', hash: createHash('sha256').update(JSON.stringify(content)).digest('hex'), ...content }
}

/**
 * The files of a bee's requirements: the file itself, and the files that it includes. Reading ends at the first unreadable file, which is still in
 * the list.
 */
export function requirementFiles(named: string | null, beeFile: string): readonly string[] {
  const file = fileOf(named, beeFile)
  if (file === undefined) return []
  if (basename(file).endsWith('.toml')) return [file]
  const files = new Set<string>()
  try {
    hashLines(file, createHash('sha256'), files)
  } catch (thrown) {
    // A missing file stays in the list, because a user may write it later.
    if (!(thrown instanceof WaggleError)) throw thrown
  }
  return [...files]
}

function fileOf(named: string | null, beeFile: string): string | undefined {
  const beside = ['requirements.txt', 'pyproject.toml'].map((name) => join(dirname(beeFile), name))
  return named ?? beside.find((path) => existsSync(path))
}

function ofLines(file: string): Requirements | null {
  const hash = createHash('sha256')
  const isEmpty = !hashLines(file, hash, new Set())
  return isEmpty ? null : { file, kind: 'requirements', hash: hash.digest('hex') }
}

/** Adds a file, and the files that it includes, to the hash. Returns true if one of these files names a package. */
function hashLines(file: string, hash: ReturnType<typeof createHash>, seen: Set<string>): boolean {
  if (seen.has(file)) return false
  seen.add(file)
  if (seen.size > maxFiles) throw wrong(file, `includes more than ${maxFiles} files`)
  let namesPackage = false
  for (const raw of requirementsText(file).split('\n')) {
    const line = raw.replace(/(^|\s)#.*$/, '').trim()
    if (line === '') continue
    hash.update(`${line}\n`)
    const included = /^(?:-r|-c|--requirement|--constraint)[\s=]*(\S+)$/.exec(line)?.[1]
    if (included === undefined) namesPackage ||= !line.startsWith('--')
    else if (!included.includes('://') && hashLines(resolve(dirname(file), included), hash, seen)) namesPackage ||= /^(-r|--r)/.test(line)
  }
  return namesPackage
}

/** The requirements in a `pyproject.toml`. Null if the file beside the bee's file contains only settings of tools. */
function ofProject(file: string, isNamed: boolean): Requirements | null {
  const text = requirementsText(file)
  const project = projectTable(text)
  if (/^\s*dependencies\s*=/m.test(project)) return { file, kind: 'pyproject', hash: createHash('sha256').update(text).digest('hex') }
  if (/^\s*dynamic\s*=\s*\[[^\]]*["']dependencies["']/m.test(project))
    throw wrong(
      file,
      'has dynamic dependencies, which are known only when the project is built',
      'List the packages as dependencies of [project], or name a requirements.txt as spec.requirements.',
    )
  if (isNamed) throw wrong(file, 'has no dependencies in a table [project]')
  return null
}

/** The lines of the table `[project]`. Texts of several lines are left out. */
function projectTable(text: string): string {
  let isProject = false
  const lines: string[] = []
  for (const line of text.replace(/"""[\s\S]*?"""|'''[\s\S]*?'''/g, '""').split(/\r?\n/)) {
    const table = /^\s*\[\[?\s*([\w."'-]+)\s*\]\]?\s*(?:#.*)?$/.exec(line)?.[1]
    if (table !== undefined) isProject = table.replace(/["']/g, '') === 'project'
    else if (isProject) lines.push(line.replace(/^\s*#.*$/, ''))
  }
  return lines.join('\n')
}

function wrong(file: string, what: string, next = 'Correct the file, or name another one as spec.requirements.'): WaggleError {
  return new WaggleError('WAGGLE_PYTHON_ENVIRONMENT', {
    message: `The requirements ${file} ${what}`,
    next,
  })
}

const maxFiles = 100
