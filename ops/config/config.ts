import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { ChainedSecrets } from '../../connectors/secrets/chained-secrets.ts'
import { EnvironmentSecrets } from '../../connectors/secrets/environment-secrets.ts'
import { SecretFolder } from '../../connectors/secrets/secret-folder.ts'
import { readBounded } from '../../connectors/system/bounded-file.ts'
import { ownMember } from '../../topology/own-member.ts'
import { SchemaChecker } from '../../topology/swarm/check/schema-checker.ts'
import type { Secrets } from '../../topology/swarm/ports/secrets.ts'
import { invalidSwarm, maxSwarmBytes, mistakeAt, SwarmDocument } from '../../topology/swarm/swarm-document.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { checkSettings } from './check-settings.ts'
import { type Resolution, ResolveMap } from './resolve-map.ts'
import { configSchema, type Setting, type Settings, settings } from './settings.ts'
import { storedSecrets } from './stored-secrets.ts'

export interface Config {
  readonly settings: Settings
  readonly resolve: ResolveMap
  /** Secrets by name: first from the variables WAGGLE_SECRET_<name>, then from the files of `secrets_dir`, then from `waggle secrets set`. */
  readonly secrets: Secrets
}

export interface ConfigSource {
  /** The directories that may contain waggle.yaml, nearest first: the swarm's directory, then the working directory. */
  readonly directories: readonly string[]
  readonly env: { readonly [variable: string]: string | undefined }
}

/**
 * Merges defaults, waggle.yaml and the environment. A value of the environment takes precedence over waggle.yaml, which takes precedence over the
 * default. Throws WAGGLE_INVALID_CONFIG with every mistake and its place.
 */
export function loadConfig({ directories, env }: ConfigSource): Config {
  const mistakes: WaggleError[] = []
  const { file, written } = readWritten(directories, mistakes)
  const given = Object.fromEntries(settings.map((setting) => [setting.key, settingValue(setting, written.values, env, mistakes)]))
  const values = withDefaults(given)
  if (mistakes.length === 0) mistakes.push(...checkSettings(values, (key) => settingPlace(key, written, env)))
  if (mistakes.length > 0) throw invalidConfig(file ?? 'the environment', mistakes)
  const { resolve: map = {} } = written.values as { resolve?: { readonly [prefix: string]: Resolution } }
  return {
    settings: values,
    resolve: new ResolveMap(map, file === undefined ? process.cwd() : dirname(resolve(file))),
    secrets: secretsOf(values, env),
  }
}

/**
 * Searches for a secret in variables first, then in files, then among the stored secrets. The store is left out if there are no key and no stored
 * secrets.
 */
function secretsOf(values: Settings, env: ConfigSource['env']): Secrets {
  const folder = values.secrets_dir === null ? [] : [new SecretFolder(values.secrets_dir)]
  const stored = storedSecrets(values)
  const hasStore = values.secrets_key !== null || values.secrets_key_file !== null || stored.names().length > 0
  return new ChainedSecrets([new EnvironmentSecrets(env), ...folder, ...(hasStore ? [stored] : [])])
}

/** The source of a setting's value. */
export interface SettingSource {
  readonly from: 'default' | 'file' | 'environment'
  /** The place `FILE:LINE:COL` in waggle.yaml, or the name of the variable; null for a default. */
  readonly place: string | null
}

/** The source of each setting. Throws the same errors as `loadConfig` for a file that cannot be read. */
export function settingSources({ directories, env }: ConfigSource): ReadonlyMap<keyof Settings, SettingSource> {
  const { written } = readWritten(directories, [])
  const sourceOf = ({ key, variable }: Setting): SettingSource => {
    if ((ownMember(env, variable) ?? '') !== '') return { from: 'environment', place: variable }
    const isOfFile = written.document !== null && Object.hasOwn(written.values, key)
    return isOfFile ? { from: 'file', place: settingPlace(key, written, env) } : { from: 'default', place: null }
  }
  return new Map(settings.map((setting) => [setting.key, sourceOf(setting)]))
}

interface Written {
  readonly values: { readonly [key: string]: unknown }
  readonly document: SwarmDocument | null
}

const nothingWritten: Written = { values: {}, document: null }

function withDefaults(given: { readonly [key: string]: unknown }): Settings {
  const isKafka = given.log === 'kafka'
  const values = settings.map(({ key, default: fallback, defaultOnKafka }) => {
    const usual = isKafka && defaultOnKafka !== undefined ? defaultOnKafka : fallback
    return [key, ownMember(given, key) ?? usual] as const
  })
  return Object.fromEntries(values) as unknown as Settings
}

function settingPlace(key: keyof Settings, { values, document }: Written, env: ConfigSource['env']): string {
  const variable = settings.find((setting) => setting.key === key)?.variable ?? key
  const isOfFile = document !== null && Object.hasOwn(values, key) && !ownMember(env, variable)
  return isOfFile ? document.place([key]) : variable
}

function readWritten(directories: readonly string[], mistakes: WaggleError[]): { readonly file: string | undefined; readonly written: Written } {
  const file = directories.map((directory) => join(directory, 'waggle.yaml')).find((path) => existsSync(path))
  return { file, written: file === undefined ? nothingWritten : readFile(file, mistakes) }
}

function readFile(file: string, mistakes: WaggleError[]): Written {
  const bytes = readBounded(file, { maxBytes: maxSwarmBytes, next: 'Correct waggle.yaml, or take it away.' })
  if (isBlank(bytes)) return nothingWritten
  const document = SwarmDocument.read(bytes, file)
  if (!new SchemaChecker(document, mistakes).check(configSchema, document.value, [])) return nothingWritten
  const value = document.value as { readonly [key: string]: unknown; readonly resolve?: { readonly [prefix: string]: unknown } }
  for (const [prefix, target] of Object.entries(value.resolve ?? {})) {
    const isCommand = Array.isArray(target) && target.length > 0 && target.every((word) => typeof word === 'string')
    if (typeof target === 'string' || isCommand) continue
    mistakes.push(
      mistakeAt(document.place(['resolve', prefix]), `${prefix} must be a path or a command`, 'Write ./path/, or a list: [program, argument].'),
    )
  }
  return { values: value, document }
}

function isBlank(bytes: Uint8Array): boolean {
  return Buffer.from(bytes).toString().replace(/#.*$/gm, '').trim() === ''
}

/** The value of a setting; undefined if it is not set. */
function settingValue(
  { key, variable, schema }: Setting,
  written: { readonly [key: string]: unknown },
  env: ConfigSource['env'],
  mistakes: WaggleError[],
): unknown {
  const text = ownMember(env, variable)
  if (text === undefined || text === '') return ownMember(written, key)
  const isNumber = 'type' in schema && (schema.type === 'integer' || schema.type === 'number')
  const number = isNumber && text.trim() !== '' ? Number(text) : Number.NaN
  // A text that is not a number stays a text, so that the mistake quotes it.
  const value = Number.isNaN(number) ? text : number
  const document = SwarmDocument.parse(`${variable}: ${JSON.stringify(value)}`, 'environment')
  const found: WaggleError[] = []
  new SchemaChecker(document, found).check(schema, value, [variable])
  // The place of the mistake already names the variable, so the name is removed from the message.
  for (const { message, next } of found) mistakes.push(mistakeAt(variable, message.replace(`${variable} `, ''), next))
  return value
}

function invalidConfig(file: string, mistakes: readonly WaggleError[]): WaggleError {
  const { message, place, cause } = invalidSwarm(file, mistakes)
  return new WaggleError('WAGGLE_INVALID_CONFIG', {
    message,
    next: '`waggle run --help` lists every setting.',
    ...(place === undefined ? {} : { place }),
    cause,
  })
}
