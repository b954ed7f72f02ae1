import { dirname } from 'node:path'
import { Redaction } from '../../topology/swarm/secrets/redaction.ts'
import { type ConfigSource, loadConfig, type SettingSource, settingSources } from '../config/config.ts'
import { hiddenValues } from '../config/hidden-values.ts'
import { settings } from '../config/settings.ts'
import { exitStatus } from './exit-status.ts'
import { terminalText } from './terminal-text.ts'

/** A setting in the form that `waggle config --json` prints. */
interface ConfigRow extends SettingSource {
  readonly key: string
  readonly variable: string
  /** The value of the setting; `***` for a secret that is set. */
  readonly value: string | number | null
}

/** `waggle config [FILE]`: prints each setting, its value, and where the value comes from. */
export function config(file: string | null, { json }: { readonly json: boolean }): number {
  const source = { directories: [...(file === null ? [] : [dirname(file)]), process.cwd()], env: process.env }
  const rows = rowsOf(source)
  if (json) process.stdout.write(`${JSON.stringify({ settings: rows }, null, 2)}\n`)
  else for (const row of rows) process.stdout.write(`${terminalText(lineOf(row))}\n`)
  return exitStatus.done
}

function rowsOf(source: ConfigSource): readonly ConfigRow[] {
  const loaded = loadConfig(source)
  const sources = settingSources(source)
  const redaction = new Redaction(hiddenValues(loaded))
  return settings.map(({ key, variable, isSecret = false }) => {
    const value = loaded.settings[key]
    const shown = value !== null && isSecret ? '***' : typeof value === 'string' ? redaction.text(value) : value
    return { key, variable, value: shown, ...(sources.get(key) ?? { from: 'default', place: null }) }
  })
}

function lineOf({ key, value, place }: ConfigRow): string {
  return `${key.padEnd(30)} ${String(value ?? 'none').padEnd(24)} ${place ?? 'default'}`
}
