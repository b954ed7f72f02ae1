import { stringify } from 'yaml'
import { invalidSwarm, mistakeAt } from '../../topology/swarm/swarm-document.ts'
import type { WaggleError } from '../../topology/waggle-error.ts'

export interface DraftBee {
  readonly type: string
  readonly input?: { readonly name: string } | { readonly join: readonly string[] } | { readonly stack: readonly string[] }
  readonly timeout_seconds?: number
  readonly on_timeout?: 'partial'
  readonly on_error?: 'skip'
  readonly spec?: { readonly [key: string]: unknown }
}

/** The swarm that an import makes, with a note for each part of the file that could not be translated. */
export class SwarmDraft {
  readonly #file: string
  readonly #name: string
  readonly #bees = new Map<string, DraftBee>()
  readonly #notes: WaggleError[] = []

  /** `file`: the file with the graph. `name`: the name of the graph in that file. */
  constructor(file: string, name: string) {
    this.#file = file
    this.#name = beeName(name)
  }

  /** The notes, in the order of the file. */
  get notes(): readonly WaggleError[] {
    const at = ({ place }: WaggleError) => (place ?? '').split(':').slice(-2).map(Number)
    return this.#notes.toSorted((a, b) => (at(a)[0] ?? 0) - (at(b)[0] ?? 0) || (at(a)[1] ?? 0) - (at(b)[1] ?? 0))
  }

  /** Adds a bee, and returns its name: the valid, free name that is most similar to `wanted`. */
  add(wanted: string, bee: DraftBee): string {
    const plain = beeName(wanted)
    let name = plain
    for (let number = 2; this.#bees.has(name) || takenNames.has(name); number++) name = `${plain.slice(0, 57)}-${number}`
    if (this.#bees.size >= maxBees) throw tooManyBees(this.#file)
    this.#bees.set(name, bee)
    return name
  }

  /**
   * Adds the entrance of the swarm, and returns the bee's name. The gateway has the name of the graph, or the most similar name that a gateway may
   * have. `place`: the place of the graph's name.
   */
  addEntrance(wanted: string, place: string): string {
    const gateway = beeName(wanted)
    if (gateway !== wanted)
      this.note(
        place,
        `the gateway is named ${gateway}, because ${wanted} cannot be the name of one`,
        `Send requests to /v1/gateways/${gateway}/request.`,
      )
    return this.add(`${wanted}-input`, { type: 'gateway-input', spec: { name: gateway } })
  }

  /** Adds a note about a part of the file that a swarm cannot express, with the next step. */
  note(place: string, message: string, next: string): void {
    if (this.#notes.length < maxNotes) this.#notes.push(mistakeAt(place, message, next))
  }

  /** The text of the swarm file. Comments at its beginning contain the notes. */
  text(): string {
    const notes = this.notes.map(({ place, message, next }) => `# ${oneLine(`${place}: ${message}. ${next}`)}\n`).join('')
    const bees = [...this.#bees].map(([name, bee]) => ({ name, ...bee }))
    const head = `# Imported from ${oneLine(this.#file)}.\n${notes === '' ? '' : `#\n# Left to do:\n${notes}`}`
    return `${head}${stringify({ name: this.#name, bees }, { lineWidth: 0, aliasDuplicateObjects: false })}`
  }
}

/** Returns the steps. Throws if there are more steps than a swarm may have bees, before any work is done for them. */
export function boundedSteps<T>(steps: readonly T[], file: string): readonly T[] {
  if (steps.length > maxBees) throw tooManyBees(file)
  return steps
}

function tooManyBees(file: string): WaggleError {
  return invalidSwarm(file, [mistakeAt(`${file}:1:1`, `the graph becomes more than ${maxBees} bees`, 'Import its parts one by one.')])
}

/** The valid name of a bee that is most similar to a text. */
function beeName(text: string): string {
  const plain = text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+/, '')
    .slice(0, 60)
    .replace(/-+$/, '')
  return plain === '' ? 'imported' : plain
}

function oneLine(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ')
}

/** The name of a field, quoted for JMESPath. */
export function quotedName(name: string): string {
  return JSON.stringify(name)
}

/** A text as a literal of JMESPath. */
export function quotedText(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`
}

const takenNames: ReadonlySet<string> = new Set(['gateway', 'dead-letters'])
const maxBees = 500
const maxNotes = 1000
