import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { kafkaSettings } from '../config/kafka-settings.ts'
import { type Setting, settings } from '../config/settings.ts'

/** The content of `docs/settings.md`: every setting with its key, variable, values, default and meaning. */
export function settingsPage(): string {
  const kafka = new Set(kafkaSettings)
  const everywhere = settings.filter((setting) => !kafka.has(setting))
  return `${preface}\n\n${tableOf(everywhere)}\n\n## On Kafka\n\nThese count only where the log is a Kafka cluster.\n\n${tableOf(kafkaSettings)}\n`
}

function tableOf(rows: readonly Setting[]): string {
  const lines = rows.map((setting) => {
    const { key, variable, about, reloads, isSecret } = setting
    const marks = [reloads === true ? 'Reloads.' : '', isSecret === true ? 'Secret.' : ''].filter((mark) => mark !== '')
    return `| \`${key}\` | \`${variable}\` | ${valuesOf(setting)} | ${defaultOf(setting)} | ${cell([about, ...marks].join(' '))} |`
  })
  return `| key | variable | values | default | |\n| --- | --- | --- | --- | --- |\n${lines.join('\n')}`
}

/** The parts of a setting's schema that its values can be told from. */
interface Values {
  readonly type?: string
  readonly enum?: readonly string[]
  readonly minimum?: number
  readonly exclusiveMinimum?: number
  readonly maximum?: number
}

function valuesOf({ schema }: Setting): string {
  const { type, enum: names, minimum, exclusiveMinimum, maximum } = schema as Values
  if (names !== undefined) return names.map((name) => `\`${name}\``).join(', ')
  if (type === 'string') return 'text'
  const from = minimum === undefined ? `above ${number(exclusiveMinimum)}` : number(minimum)
  return `${type} ${from} to ${maximum === Number.MAX_SAFE_INTEGER ? '2⁵³ − 1' : number(maximum)}`
}

function number(value: number | undefined): string {
  if (value === undefined) throw new TypeError('A setting that is a number has no bounds: give its schema a minimum and a maximum')
  return value.toLocaleString('en')
}

function defaultOf({ default: fallback, defaultOnKafka }: Setting): string {
  const shown = (value: string | number | null) => (value === null ? 'none' : `\`${value}\``)
  return defaultOnKafka === undefined ? shown(fallback) : `${shown(fallback)}; on Kafka ${shown(defaultOnKafka)}`
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;')
}

const preface = `# Settings

A setting has a key, which \`waggle.yaml\` beside the swarm or in the working directory may hold, and an environment variable. If both are set, the variable counts. Each has a default that works.
\`waggle config\` prints the value of each and where it comes from. An unknown variable \`WAGGLE_…\`, an unknown key, and a value outside of its bounds are errors at the start.

*Reloads* marks a setting that a running process takes anew at SIGHUP (one without a terminal; else stop it and start it again). *Secret* marks a value that is shown nowhere.
Besides settings, \`waggle.yaml\` may hold \`resolve\`, which maps what a swarm names to a path or a command.
The settings of a program of the DSL are options in its code: [kafka-streams.md](kafka-streams.md).

<!-- This page is made from ops/config/settings.ts by \`node ops/check/settings-page.ts --write\`. -->`

if (import.meta.main) {
  const path = resolve(import.meta.dirname, '..', '..', 'docs/settings.md')
  if (process.argv.includes('--write')) writeFileSync(path, settingsPage())
  else if (readFileSync(path, 'utf8') !== settingsPage()) {
    process.stderr.write('docs/settings.md is stale: run `node ops/check/settings-page.ts --write`.\n')
    process.exitCode = 1
  }
}
