import { realpathSync } from 'node:fs'
import { dirname, relative, resolve, sep } from 'node:path'
import { parse, TomlError } from 'smol-toml'
import { WaggleError } from '../../topology/waggle-error.ts'
import { requirementsText } from './requirements-text.ts'

/** The lines of a requirements file, and of the constraints that it includes. */
export interface PackageLists {
  /** Lines of a `requirements.txt`: names of packages with their versions, and options that name no place. */
  readonly lines: readonly string[]
  readonly constraints: readonly string[]
}

/**
 * Reads a `requirements.txt`, or the dependencies of a `pyproject.toml`, as names of packages of the index that the operator has configured. The
 * installer gets these lines and not the file, so it cannot read more in the file than this check. Throws WAGGLE_REQUIREMENT_REFUSED for a line that
 * names another index, an address, a path or a file outside of the folder. `isNamed`: the swarm names the file, so its place has been checked. A file
 * that was found beside the bee may not be a link out of its folder.
 */
export function indexPackages(file: string, { isNamed }: { readonly isNamed: boolean }): PackageLists {
  if (!isNamed && !isInside(file, realFolder(file)))
    throw refused(file, null, 'is a link out of its folder', 'Name the file that the link leads to as spec.requirements.')
  return file.endsWith('.toml') ? ofProject(file) : ofList(file)
}

function ofList(file: string): PackageLists {
  const lists = { lines: [] as string[], constraints: [] as string[] }
  const folder = realFolder(file)
  const seen = new Set<string>()
  const isQuoted = quotedNames.test(file)
  const read = (from: string, list: 'lines' | 'constraints') => {
    if (seen.has(`${list} ${from}`)) return
    seen.add(`${list} ${from}`)
    if (seen.size > maxFiles) throw refused(from, null, `includes more than ${maxFiles} files`)
    for (const { line, number } of linesOf(requirementsText(from))) {
      const included = /^(-r|-c|--requirement|--constraint)(?:\s*=\s*|\s+)([^\s"'\\$]+)$/.exec(line)
      if (included === null) {
        lists[list].push(packageIn(line, { file: from, number, isQuoted: isQuoted && from === file }))
        continue
      }
      const [, option = '', name = ''] = included
      const path = resolve(dirname(from), name)
      if (/^[a-z][a-z0-9+.-]*:/i.test(name) || !isInside(path, folder))
        throw refused(
          from,
          number,
          `includes ${shownText(name, isQuoted && from === file, 'a file')}, which is not in the folder of ${relative(dirname(file), file)}`,
        )
      read(path, option === '-c' || option === '--constraint' ? 'constraints' : list)
    }
  }
  read(file, 'lines')
  return lists
}

function ofProject(file: string): PackageLists {
  let project: unknown
  try {
    project = parse(requirementsText(file)).project
  } catch (thrown) {
    if (thrown instanceof WaggleError) throw thrown
    throw refused(file, thrown instanceof TomlError ? thrown.line : null, 'is not TOML')
  }
  const dependencies: unknown = typeof project === 'object' && project !== null && 'dependencies' in project ? project.dependencies : []
  if (!Array.isArray(dependencies)) throw refused(file, null, 'has dependencies that are no list')
  return { lines: dependencies.map((line) => packageIn(String(line).trim(), { file, number: null, isQuoted: true })), constraints: [] }
}

/** The lines without comments and blanks. A line that ends with a backslash goes on in the next one. */
function* linesOf(text: string): Generator<{ readonly line: string; readonly number: number }> {
  const raw = text.split(lineEnds)
  let [begun, number] = ['', 1]
  for (const [at, whole] of raw.entries()) {
    const content = whole.replace(/(^|\s)#.*$/, '')
    const goesOn = content.endsWith('\\') && at < raw.length - 1
    begun += goesOn ? content.slice(0, -1) : content
    if (goesOn) continue
    const line = begun.trim()
    if (line !== '') yield { line, number }
    begun = ''
    number = at + 2
  }
}

interface LinePlace {
  readonly file: string
  readonly number: number | null
  /** True if an error may have words of the line. */
  readonly isQuoted: boolean
}

/** The line if it names a package of the index, or is an option that names no place. */
function packageIn(line: string, { file, number, isQuoted }: LinePlace): string {
  if (harmlessOption.test(line)) return line
  const words = line.split(/\s+/)
  const last = words.findLastIndex((word) => !hashOption.test(word))
  const named = words.slice(0, last + 1).join(' ')
  if (named.length <= maxNameCharacters && packageName.test(named) && !named.includes(' -')) return words.join(' ')
  const option = /(?:^|\s)(--?[A-Za-z][\w-]*)/.exec(line)?.[1]
  if (option !== undefined) throw refused(file, number, shownOption.test(option) ? `has the option ${option}` : 'has an option')
  throw refused(file, number, `has ${shownText(line, isQuoted, 'a line')}, which is not the name of a package of the index`)
}

/** A file may be anything, such as a list of passwords. So only a short text that looks like requirements is shown, and no address. */
function shownText(text: string, isQuoted: boolean, otherwise: string): string {
  if (text.includes('://')) return 'an address'
  return isQuoted && shownCharacters.test(text) ? text : otherwise
}

function realFolder(file: string): string {
  return realpathSync(dirname(file))
}

/** True if a file lies in the folder, also behind links. A missing file is found missing when it is read. */
function isInside(path: string, folder: string): boolean {
  try {
    return realpathSync(path).startsWith(folder.endsWith(sep) ? folder : `${folder}${sep}`)
  } catch {
    return !relative(folder, path).startsWith('..')
  }
}

function refused(file: string, line: number | null, what: string, next = nextStep): WaggleError {
  return new WaggleError('WAGGLE_REQUIREMENT_REFUSED', { message: `The requirements ${file}${line === null ? '' : `:${line}`} ${what}`, next })
}

const nextStep =
  'Name packages of the index, as in numpy==2.1. Whoever runs Waggle chooses the index in the configuration of pip or uv, and allows other lines with WAGGLE_PYTHON_REQUIREMENTS=anything.'
/** Names that files of requirements have. A line of any other file, such as `.env`, is not shown. */
const quotedNames = /\.(?:txt|in)$/
const shownCharacters = /^[A-Za-z0-9._[\]<>=!~,;: /-]{1,100}$/
const shownOption = /^(?:-[A-Za-z]|--[a-z][a-z-]{0,24})$/
/** pip ends lines where Python's `splitlines` does. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these control characters end a line.
const lineEnds = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/
const harmlessOption = /^--(?:pre|prefer-binary|require-hashes|(?:only|no)-binary[ =][A-Za-z0-9_.:,-]+)$/
const hashOption = /^--hash=[a-z0-9]+:[0-9a-f]+$/
const version = '(?:===|==|~=|!=|<=|>=|<|>)\\s*[A-Za-z0-9.*+!_-]+'
/** A name with extras, versions and a marker, as PEP 508 has it, without an address. */
const packageName = new RegExp(
  `^[A-Za-z0-9][A-Za-z0-9._-]*\\s*(?:\\[[A-Za-z0-9._,\\s-]*\\]\\s*)?(?:\\(\\s*)?(?:${version}(?:\\s*,\\s*${version})*)?(?:\\s*\\))?(?:\\s*;[A-Za-z0-9_.'"<>=!~()\\s,*+-]+)?$`,
)
const maxFiles = 100
const maxNameCharacters = 1000
