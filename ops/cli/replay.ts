import { dirname } from 'node:path'
import { managementLimits, type ReplayedRequest } from '../../topology/swarm/log-management.ts'
import { planSwarm, type SwarmPlan } from '../../topology/swarm/plan/plan.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { beeRegistry } from '../config/bee-registry.ts'
import { loadConfig } from '../config/config.ts'
import { planSettingsOf, type Settings } from '../config/settings.ts'
import { readSwarm } from '../config/swarm-file.ts'
import { withManagement } from '../inspection/open-management.ts'
import { exitStatus } from './exit-status.ts'
import { terminalText } from './terminal-text.ts'
import { timeText } from './time-text.ts'
import type { LogOptions } from './topics.ts'

export interface ReplayCommandOptions extends LogOptions {
  /** Sends all requests that the log has. */
  readonly all: boolean
  readonly gateway?: string
  /** The time in epoch milliseconds. */
  readonly from?: number
  readonly to?: number
  /** The name of the replay. */
  readonly name?: string
  readonly max?: number
  readonly dryRun: boolean
}

/**
 * `waggle replay SWARM`: sends the requests that the swarm had before to it again, as new requests. `swarm` is the name of a swarm, or the path of
 * its file. Only the file tells the gateways of a swarm that runs nowhere.
 */
export async function replay(swarm: string, options: ReplayCommandOptions): Promise<number> {
  const { all, from = null, to = null, gateway = null, name = null, max = Number.POSITIVE_INFINITY, dryRun, json } = options
  if (all === (from !== null))
    throw new WaggleError('WAGGLE_USAGE', {
      message: 'A replay takes one of --from and --all, because it runs bees and writes rows again',
      next: 'Give --from TIME, or --all for everything that the log has. --dry-run only names the requests.',
    })
  const env = options.log === undefined ? process.env : { ...process.env, WAGGLE_LOG: options.log }
  const { settings } = loadConfig({ directories: [process.cwd()], env })
  const plan = isPath(swarm) ? planOf(swarm, settings) : null
  const work = { url: options.url ?? null, plans: plan === null ? [] : [plan] }
  return withManagement(settings, work, async (management) => {
    const requests: ReplayedRequest[] = []
    let [replayed, until, after]: [string | null, number | null, string | null] = [name, to, null]
    let [left, count, skipped] = [max, 0, 0]
    do {
      const page = await management.replay(plan?.swarm ?? swarm, {
        replay: replayed,
        gateway,
        from,
        to: until,
        after,
        max: Math.min(left, managementLimits.replayed),
        dry_run: dryRun,
      })
      left -= page.requests.length
      count += page.requests.length
      skipped += page.skipped
      if (json) requests.push(...page.requests)
      else for (const request of page.requests) process.stdout.write(`${terminalText(lineOf(request))}\n`)
      replayed = page.replay
      until = page.to
      after = page.next
    } while (after !== null && left > 0)
    if (json) process.stdout.write(`${JSON.stringify({ replay: replayed, to: until, sent: !dryRun, requests, skipped })}\n`)
    else process.stdout.write(`${textOfEnd({ count, skipped, dryRun, name: replayed ?? '' })}\n`)
    return exitStatus.done
  })
}

function textOfEnd({ count, skipped, dryRun, name }: { count: number; skipped: number; dryRun: boolean; name: string }): string {
  const requests = `${count} ${count === 1 ? 'request' : 'requests'}`
  const left = skipped === 0 ? '' : ` ${skipped} left out: sent by an earlier replay, or unreadable.`
  return terminalText(`${dryRun ? `Would send ${requests} again.` : `Sent ${requests} again, as replay ${name}.`}${left}`)
}

function isPath(text: string): boolean {
  return /[/\\]|\.(ya?ml|json)$/.test(text)
}

function planOf(file: string, settings: Settings): SwarmPlan {
  return planSwarm(readSwarm(file, beeRegistry(dirname(file))), planSettingsOf(settings))
}

function lineOf({ request_id, replay_of, gateway, accepted_at }: ReplayedRequest): string {
  return `${request_id}  of ${replay_of}  ${gateway}  accepted ${timeText(accepted_at)}`
}
