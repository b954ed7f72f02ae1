import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, extname, join, resolve } from 'node:path'
import { contentTypeOfFile } from './content-types.ts'
import { shellWord } from './shell-word.ts'

/** A gateway as the line shows it. */
export interface AskedGateway {
  readonly name: string
  readonly url: string
  /** False: no bee answers, so nobody can wait for an answer. */
  readonly answers: boolean
  /** An input, as JSON, that the bees behind the gateway take; null where they do not say. */
  readonly input: unknown
}

export interface ExampleFolders {
  /** The folder of the swarm file. */
  readonly swarm: string
  /** The folder for an input that is too long for a line. */
  readonly written: string
}

/**
 * Lines that send an input that the gateway's bees take, by the best source that there is: a file of `examples/` beside the swarm file (the one with the
 * gateway's name first), what the bees say themselves, a file of `photos/`. Without any the input is `{}`, and a line says where to put an example.
 */
export function exampleRequest({ name, url, answers, input }: AskedGateway, folders: ExampleFolders): readonly string[] {
  const example = fileOf(join(folders.swarm, 'examples'), name)
  const known = example ?? (input === null ? fileOf(join(folders.swarm, 'photos'), name) : null)
  const sent = known !== null ? bodyOfFile(known) : input === null ? `--json '{}'` : bodyOfInput(input, join(folders.written, `${name}.json`))
  const line = `curl -sS ${sent} ${shellWord(`${url}/v1/gateways/${name}/${answers ? 'request' : 'submit'}`)}`
  return known === null && input === null ? [line, `(A file in ${join(folders.swarm, 'examples')} takes the place of {}.)`] : [line]
}

/** The file with the gateway's name, else the last of the folder in alphabetical order; null where there is none whose type is known. */
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
  const text = readFileSync(file, 'utf8').trim()
  return fitsLine(text) ? `--json ${shellWord(text)}` : `--json ${shellWord(`@${file}`)}`
}

function bodyOfInput(input: unknown, file: string): string {
  const text = JSON.stringify(input)
  if (fitsLine(text)) return `--json ${shellWord(text)}`
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
  return `--json ${shellWord(`@${resolve(file)}`)}`
}

function fitsLine(text: string): boolean {
  return text.length <= 200 && !text.includes('\n')
}
