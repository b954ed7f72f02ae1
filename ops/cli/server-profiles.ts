import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { type Command, Option } from 'commander'
import { isLoopback } from '../../connectors/http/loopback.ts'
import { readBounded } from '../../connectors/system/bounded-file.ts'
import { withFileLock } from '../../connectors/system/file-lock.ts'
import { privateFileStats, readPrivateFile, writePrivateFile } from '../../connectors/system/private-file.ts'
import { didYouMean } from '../../topology/swarm/check/nearest-name.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { exitStatus } from './exit-status.ts'
import { textTable } from './text-table.ts'

/** A server to which commands send their calls. */
export interface Profile {
  readonly url: string
  /** A bearer token; null if the server needs no token. */
  readonly token: string | null
  /** A PEM file with the authority of the server's certificate; null for the authorities of the system. */
  readonly ca: string | null
}

export interface ProfileOptions {
  readonly json: boolean
}

/** `waggle servers set NAME`: writes a profile, and replaces a profile of the same name. */
export async function setProfile(
  name: string,
  { url, ca, tokenStdin, json }: ProfileOptions & { readonly url: string; readonly ca?: string; readonly tokenStdin: boolean },
): Promise<number> {
  if (!/^[\w.-]{1,100}$/.test(name)) throw wrong(`${JSON.stringify(name.slice(0, 100))} is not a name of letters, digits, dots and dashes`)
  const parsed = URL.parse(url)
  if (parsed === null || !/^https?:$/.test(parsed.protocol) || parsed.username !== '') throw wrong(`${url} is not an address of a server`)
  if (ca !== undefined && !existsSync(ca)) throw wrong(`${ca} is not there`)
  const token = tokenStdin ? await tokenFromInput() : null
  const profile: Profile = { url: url.replace(/\/+$/, ''), token, ca: ca === undefined ? null : resolve(ca) }
  change((profiles) => new Map([...profiles, [name, profile]]))
  if (token !== null && parsed.protocol === 'http:' && !isLoopback(parsed.hostname))
    process.stderr.write(
      `The token goes to ${parsed.host} unencrypted: anybody on the way can read it. Give the server a certificate, and write https://.\n`,
    )
  process.stdout.write(
    json ? `${JSON.stringify({ name, url: profile.url })}\n` : `Wrote ${name} to ${profilesFile()}. Commands take it with --profile ${name}.\n`,
  )
  return exitStatus.done
}

/** `waggle servers list`: prints the profiles, without their tokens. */
export function listProfiles({ json }: ProfileOptions): number {
  const rows = [...readProfiles()].map(([name, { url, token, ca }]) => ({ name, url, token: token !== null, ca }))
  if (json) process.stdout.write(`${JSON.stringify(rows)}\n`)
  else if (rows.length === 0) process.stdout.write('There is no profile. Write one: waggle servers set NAME --url URL\n')
  else {
    const cells = rows.map(({ name, url, token, ca }) => [name, url, token ? 'yes' : 'no', ca ?? '-'])
    process.stdout.write(`${textTable(['profile', 'url', 'token', 'authority'], cells)}\n`)
  }
  return exitStatus.done
}

/** `waggle servers delete NAME`: deletes a profile. */
export function deleteProfile(name: string, { json }: ProfileOptions): number {
  change((profiles) => {
    const left = new Map(profiles)
    if (!left.delete(name)) throw unknownProfile(name, profiles)
    return left
  })
  process.stdout.write(json ? `${JSON.stringify({ deleted: name })}\n` : `Deleted ${name}.\n`)
  return exitStatus.done
}

/** Gives the option `--profile` to all commands that have `--url`. */
export function addProfileOption(command: Command): void {
  for (const one of command.commands) addProfileOption(one)
  if (command.name() === 'set' && command.parent?.name() === 'servers') return
  if (command.options.some(({ long }) => long === '--url'))
    command.addOption(new Option('--profile <name>', 'a server of `waggle servers`, in place of --url').env(profileVariable))
}

/**
 * Applies the address, token and authority of the profile that a command names. An address on the command line takes precedence over the variable
 * WAGGLE_PROFILE, and gets no token of a profile. Throws WAGGLE_USAGE if the command line has both.
 */
export function useProfile(command: Command): void {
  const { profile: name } = command.opts<{ profile?: string }>()
  if (name === undefined || name === '') return
  const isTyped = command.getOptionValueSource('profile') === 'cli'
  if (command.getOptionValueSource('url') === 'cli') {
    if (isTyped)
      throw new WaggleError('WAGGLE_USAGE', { message: '--url and --profile name two servers', next: 'Give --url or --profile, and not both.' })
    return
  }
  const profiles = readProfiles()
  const profile = profiles.get(name)
  if (profile === undefined) throw unknownProfile(name, profiles)
  command.setOptionValueWithSource('url', profile.url, 'profile')
  process.env.WAGGLE_TOKEN = profile.token ?? ''
  if (profile.ca === null) return
  const pem = readBounded(profile.ca, {
    maxBytes: maxFileBytes,
    next: 'Name a PEM file in the profile: waggle servers set NAME --url URL --ca FILE.',
  })
  setDefaultCACertificates([...getCACertificates('default'), Buffer.from(pem).toString()])
}

function readProfiles(): ReadonlyMap<string, Profile> {
  const file = profilesFile()
  if (privateFileStats(file) === undefined) return new Map()
  const next = `Correct ${file}, or delete it and write the profiles again.`
  const profiles = profilesIn(Buffer.from(readPrivateFile(file, { maxBytes: maxFileBytes, next })).toString())
  if (profiles !== null) return profiles
  throw new WaggleError('WAGGLE_PROFILE', {
    message: `${file} is not a list of profiles`,
    next,
  })
}

function change(changed: (profiles: ReadonlyMap<string, Profile>) => ReadonlyMap<string, Profile>): void {
  const file = profilesFile()
  withFileLock(file, () => {
    const profiles = [...changed(readProfiles())].map(([name, profile]) => ({ name, ...profile }))
    writePrivateFile(file, `${JSON.stringify({ version: 1, profiles }, null, 2)}\n`)
  })
}

function profilesIn(text: string): ReadonlyMap<string, Profile> | null {
  try {
    const value = JSON.parse(text) as { readonly profiles?: unknown }
    if (!Array.isArray(value.profiles)) return null
    const rows: readonly unknown[] = value.profiles
    return rows.every(isStored) ? new Map(rows.map(({ name, url, token, ca }) => [name, { url, token, ca }])) : null
  } catch {
    return null
  }
}

function isStored(value: unknown): value is Profile & { readonly name: string } {
  if (value === null || typeof value !== 'object') return false
  const { name, url, token, ca } = value as { readonly [field: string]: unknown }
  const isText = (one: unknown) => one === null || typeof one === 'string'
  return typeof name === 'string' && typeof url === 'string' && URL.canParse(url) && isText(token) && isText(ca)
}

function profilesFile(): string {
  const { XDG_CONFIG_HOME: config = '' } = process.env
  return join(config === '' ? join(homedir(), '.config') : config, 'waggle', 'profiles.json')
}

async function tokenFromInput(): Promise<string> {
  let text = ''
  for await (const chunk of process.stdin.setEncoding('utf8')) {
    text += String(chunk)
    if (text.length > maxTokenLength) break
  }
  const token = text.trim()
  if (token.length > 0 && token.length <= maxTokenLength && /^[A-Za-z0-9\-._~+/]+=*$/.test(token)) return token
  throw wrong('Standard input has no token')
}

function unknownProfile(name: string, profiles: ReadonlyMap<string, Profile>): WaggleError {
  const names = [...profiles.keys()]
  const hint = didYouMean(name, names)
  return new WaggleError('WAGGLE_PROFILE', {
    message: `There is no profile ${name.slice(0, 100)}${hint === '' ? '' : `; ${hint}`}`,
    next: names.length === 0 ? 'Write a profile: waggle servers set NAME --url URL.' : `Use one of: ${names.join(', ')}.`,
  })
}

function wrong(message: string): WaggleError {
  return new WaggleError('WAGGLE_PROFILE', { message, next: 'See `waggle servers set --help`.' })
}

const profileVariable = 'WAGGLE_PROFILE'
const maxFileBytes = 1024 * 1024
const maxTokenLength = 16 * 1024
