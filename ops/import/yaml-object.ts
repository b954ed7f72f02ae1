import { isFields } from '../../topology/fields.ts'
import { ownMember } from '../../topology/own-member.ts'
import { didYouMean } from '../../topology/swarm/check/nearest-name.ts'
import { invalidSwarm, mistakeAt, type Path, SwarmDocument } from '../../topology/swarm/swarm-document.ts'
import type { SwarmDraft } from './swarm-draft.ts'

/**
 * A map of a YAML file, with its place. A method that reads a member throws WAGGLE_INVALID_SWARM with the member's place if the member is of another
 * kind.
 */
export class YamlObject {
  readonly #document: SwarmDocument
  readonly #path: Path
  readonly #value: { readonly [key: string]: unknown }

  constructor(document: SwarmDocument, path: Path, value: { readonly [key: string]: unknown }) {
    this.#document = document
    this.#path = path
    this.#value = value
  }

  /** The place `file:line:col` of a member, or of the object itself. */
  place(...path: Path): string {
    return this.#document.place([...this.#path, ...path])
  }

  text(key: string): string | null {
    const value = this.#member(key)
    if (value === undefined || value === null) return null
    if (typeof value === 'string') return value
    if (typeof value === 'number' || typeof value === 'boolean') return String(value)
    throw this.wrong([key], `${key} must be a text`, 'Write a text.')
  }

  number(key: string): number | null {
    const value = this.#member(key)
    if (value === undefined || value === null) return null
    if (typeof value === 'number') return value
    throw this.wrong([key], `${key} must be a number`, 'Write a number.')
  }

  texts(key: string): readonly string[] {
    const value = this.#member(key) ?? []
    if (Array.isArray(value) && value.every((item): item is string => typeof item === 'string')) return value
    throw this.wrong([key], `${key} must be a list of texts`, 'Write a list of texts.')
  }

  object(key: string): YamlObject | null {
    const value = this.#member(key)
    if (value === undefined || value === null) return null
    if (isFields(value)) return new YamlObject(this.#document, [...this.#path, key], value)
    throw this.wrong([key], `${key} must be a map`, 'Write a map.')
  }

  objects(key: string): readonly YamlObject[] {
    const value = this.#member(key) ?? []
    if (!Array.isArray(value)) throw this.wrong([key], `${key} must be a list`, 'Write a list.')
    return value.map((item: unknown, at) => {
      if (isFields(item)) return new YamlObject(this.#document, [...this.#path, key, at], item)
      throw this.wrong([key, at], `each item of ${key} must be a map`, 'Write a map.')
    })
  }

  /** The members that are maps, by key. */
  entries(): readonly (readonly [key: string, value: YamlObject])[] {
    return Object.keys(this.#value).flatMap((key) => {
      const value = this.object(key)
      return value === null ? [] : [[key, value] as const]
    })
  }

  /** The members that are texts, by key. */
  textEntries(): ReadonlyMap<string, string> {
    return new Map(Object.entries(this.#value).flatMap(([key, value]) => (typeof value === 'string' ? [[key, value] as const] : [])))
  }

  wrong(path: Path, message: string, next: string) {
    return invalidSwarm(this.#document.file, [mistakeAt(this.place(...path), message, next)])
  }

  /** Adds a note, with the place, for each member whose key is not in `known`. */
  noteOthers(draft: SwarmDraft, known: readonly string[], advice: { readonly [key: string]: string }): void {
    for (const key of Object.keys(this.#value)) {
      if (known.includes(key)) continue
      const hint = didYouMean(key, known)
      draft.note(
        this.#document.place([...this.#path, key], { key: true }),
        `${key} has no equal`,
        ownMember(advice, key) ?? (hint === '' ? 'Leave it out, or do it in a bee of your own.' : hint),
      )
    }
  }

  #member(key: string): unknown {
    return ownMember(this.#value, key)
  }
}

/** The maps among the documents of a YAML file. Each document has the size limits of a swarm file. */
export function yamlObjects(text: string, file: string): readonly YamlObject[] {
  const found: YamlObject[] = []
  let documents = 0
  let lines: string[] = []
  let linesBefore = 0
  const end = () => {
    const source = lines.join('\n')
    if (source.replace(/#.*$/gm, '').trim() !== '') {
      if (documents++ === maxDocuments)
        throw invalidSwarm(file, [
          mistakeAt(`${file}:${linesBefore + 1}:1`, `the file has more than ${maxDocuments} documents`, 'Import them one by one.'),
        ])
      const document = SwarmDocument.parse(source, file, { linesBefore })
      if (isFields(document.value)) found.push(new YamlObject(document, [], document.value))
    }
    linesBefore += lines.length
    lines = []
  }
  for (const line of text.split(/\r?\n/)) {
    if (/^---(\s|$)/.test(line)) {
      end()
      lines.push(line.replace('---', '   '))
    } else lines.push(line)
  }
  end()
  return found
}

const maxDocuments = 100
