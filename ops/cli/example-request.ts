import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, extname, join, resolve } from 'node:path'
import { contentTypeOfFile } from './content-types.ts'
import { shellWord } from './shell-word.ts'

/** A gateway for which an example request is printed. */
export interface AskedGateway {
  readonly name: string
  readonly url: string
  /** True if a bee of the swarm answers, so that a caller can wait for the answer. */
  readonly answers: boolean
  /** An input that the bees of the gateway accept, as JSON; null if there is none. */
  readonly input: unknown
  /** True if a caller needs a token. */
  readonly needsToken: boolean
}

export interface ExampleFolders {
  /** The folder of the swarm file. */
  readonly swarm: string
  /** The folder for an input that is too long for the command line. */
  readonly written: string
}

/**
 * Command lines that send an input for the gateway's bees. The input comes from the first source that exists: a file of `examples/` beside the swarm
 * file (the file with the gateway's name first), the bees' own examples, or a file of `photos/`. Without a source the input is `{}`, and a line names
 * the folder for examples.
 */
export function exampleRequest({ name, url, answers, input, needsToken }: AskedGateway, folders: ExampleFolders): readonly string[] {
  const example = fileOf(join(folders.swarm, 'examples'), name)
  const known = example ?? (input === null ? fileOf(join(folders.swarm, 'photos'), name) : null)
  const sent = bodyOf(known, input, join(folders.written, `${name}.json`))
  const token = needsToken ? '-H "authorization: Bearer $WAGGLE_TOKEN" ' : ''
  const line = `curl -sS ${token}${sent} ${shellWord(`${url}/v1/gateways/${name}/${answers ? 'request' : 'submit'}`)}`
  return known === null && input === null ? [line, `(A file in ${join(folders.swarm, 'examples')} takes the place of {}.)`] : [line]
}

/** The body for the command line. The body is `{}` if a file cannot be read or written, so that the swarm still runs. */
function bodyOf(file: string | null, input: unknown, written: string): string {
  try {
    if (file !== null) return bodyOfFile(file)
    if (input !== null) return bodyOfInput(input, written)
    return empty
  } catch {
    return empty
  }
}

/** The content type as a header, because curl has the option `--json` only since version 7.82. */
const asJson = "-H 'content-type: application/json'"
const empty = `${asJson} -d '{}'`

/** The file with the gateway's name, or else the last file of the folder in alphabetical order. Null if the folder has no file of a known type. */
function fileOf(folder: string, gateway: string): string | null {
  const names = namesIn(folder).filter((name) => contentTypeOfFile(name) !== null)
  const name = names.find((one) => basename(one, extname(one)) === gateway) ?? names.toSorted().at(-1)
  return name === undefined ? null : resolve(folder, name)
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (entry.isFile() ? [entry.name] : []))
  } catch {
    // The folder does not exist.
    return []
  }
}

function bodyOfFile(file: string): string {
  const type = contentTypeOfFile(file)
  if (type !== 'application/json') return `-H 'content-type: ${type}' --data-binary ${shellWord(`@${file}`)}`
  const text = statSync(file).size > maxLine ? null : readFileSync(file, 'utf8').trim()
  return text !== null && fitsLine(text) ? `${asJson} -d ${shellWord(text)}` : `${asJson} --data-binary ${shellWord(`@${file}`)}`
}

function bodyOfInput(input: unknown, file: string): string {
  const text = JSON.stringify(input)
  if (fitsLine(text)) return `${asJson} -d ${shellWord(text)}`
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
  return `${asJson} --data-binary ${shellWord(`@${resolve(file)}`)}`
}

function fitsLine(text: string): boolean {
  return text.length <= maxLine && !text.includes('\n')
}

const maxLine = 200
