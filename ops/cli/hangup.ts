import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { WaggleError } from '../../topology/waggle-error.ts'
import { settings as allSettings, type Settings } from '../config/settings.ts'
import type { LogLine } from '../process-log/log-line.ts'
import { mistakesOf } from './exit-status.ts'

export interface HangupOptions {
  /** The settings of the running process. */
  readonly settings: Settings
  /** Reads the settings again. Throws WAGGLE_INVALID_CONFIG. */
  readonly load: () => Settings
  /** Applies the settings that a running process can change. */
  readonly take: (settings: Settings) => void
  readonly say: LogLine
}

/** True if a standard stream is a terminal. A hangup then means that the terminal was closed, and the process stops. */
export function isAtTerminal(): boolean {
  return process.stdin.isTTY === true || process.stdout.isTTY === true || process.stderr.isTTY === true
}

/**
 * Reads the settings again at each SIGHUP, and applies the new tokens, limits and log levels. If a setting has a mistake, all settings stay
 * unchanged. Changed settings that need a restart are named in the log. At a terminal this function does nothing, because SIGHUP stops the process
 * there. The returned function stops the reaction to SIGHUP.
 */
export function reloadAtHangup(options: HangupOptions): () => void {
  if (isAtTerminal()) return () => {}
  let current = readOf(options.settings)
  const reload = () => {
    current = reloaded(current, options)
  }
  process.on('SIGHUP', reload)
  return () => process.off('SIGHUP', reload)
}

/**
 * Holds back hangups during a start, because a hangup would end the process. The returned function ends this. With `again` it also sends a held
 * hangup again, so call it this way after `reloadAtHangup`.
 */
export function holdHangups(): (options: { readonly again: boolean }) => void {
  if (isAtTerminal()) return () => {}
  let isHeld = false
  const hold = () => {
    isHeld = true
  }
  process.on('SIGHUP', hold)
  return ({ again }) => {
    process.off('SIGHUP', hold)
    if (isHeld && again) process.kill(process.pid, 'SIGHUP')
    isHeld = false
  }
}

/** The settings as a process has read them, with the hash of the file of tokens. */
interface ReadSettings {
  readonly settings: Settings
  readonly tokensHash: string
}

function readOf(settings: Settings): ReadSettings {
  return { settings, tokensHash: hashOf(settings.tokens_file) }
}

/** The hash of a file; empty if there is no such file. */
function hashOf(path: string | null): string {
  if (path === null) return ''
  try {
    return createHash('sha256').update(readFileSync(path)).digest('hex')
  } catch {
    // `take` reads the file too, and its error says why the file cannot be read.
    return ''
  }
}

function reloaded(current: ReadSettings, { load, take, say }: HangupOptions): ReadSettings {
  try {
    const next = readOf(load())
    take(next.settings)
    const isOtherFile = next.tokensHash !== current.tokensHash
    const changed = allSettings.filter(({ key }) => next.settings[key] !== current.settings[key] || (key === 'tokens_file' && isOtherFile))
    const names = changed.filter(({ reloads }) => reloads === true).map(({ key }) => key)
    say('settings', 'info', `read the settings again; changed: ${names.join(', ') || 'none'}`)
    for (const { key, reloads } of changed) if (reloads !== true) say('settings', 'warn', `${key} has changed, and takes effect at the next start`)
    return next
  } catch (thrown) {
    // A file may change between its check and its use, and a reload must not end the process.
    const error = WaggleError.from('WAGGLE_INVALID_CONFIG', thrown, { next: 'Correct the settings, and send the signal again.' })
    const mistakes = mistakesOf(error).map(({ place, message, next }) => `${place ?? ''}: ${message}. ${next}`)
    say('settings', 'error', `the settings stay as they were: ${mistakes.join(' ')}`)
    return current
  }
}
