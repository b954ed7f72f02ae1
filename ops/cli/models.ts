import type { ModelRow, ModelVersionRow } from '../../topology/swarm/log-management.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { loadConfig } from '../config/config.ts'
import { withRunningProcess } from '../inspection/open-management.ts'
import { exitStatus } from './exit-status.ts'
import { terminalText } from './terminal-text.ts'
import { timeText } from './time-text.ts'

export interface ModelsOptions {
  /** The address of a running process. Default: the process that has the data directory open. */
  readonly url?: string
  readonly json: boolean
}

/** `waggle models list`: prints the models of the running swarms, with a line for each version. */
export async function listModels(options: ModelsOptions): Promise<number> {
  const models = await onProcess(options, (management) => management.models())
  process.stdout.write(options.json ? `${JSON.stringify(models)}\n` : tableOf(models))
  return exitStatus.done
}

/** `waggle models get NAME`: prints one model. `name` is `bee`, or `swarm/bee` if several swarms have a bee of this name. */
export async function getModel(name: string, options: ModelsOptions): Promise<number> {
  const [model] = named(await onProcess(options, (management) => management.models()), name)
  if (model !== undefined) process.stdout.write(options.json ? `${JSON.stringify(model)}\n` : terminalText(textOf(model)))
  return exitStatus.done
}

/** `waggle models reload [NAME]`: searches for new versions now. The exit status is 1 if the newest version of a model is refused. */
export async function reloadModels(name: string | null, options: ModelsOptions): Promise<number> {
  const models = await onProcess(options, async (management) => {
    const all = await management.models()
    const wanted = name === null ? all : named(all, name)
    return Promise.all(wanted.map(({ swarm, bee }) => management.reloadModel(swarm, bee)))
  })
  process.stdout.write(options.json ? `${JSON.stringify(models)}\n` : tableOf(models))
  for (const { bee, versions } of models)
    for (const { version, error } of versions)
      if (error !== null)
        process.stderr.write(terminalText(`${bee}${version === null ? '' : ` ${version}`} is refused: ${error.detail}. ${error.next}\n`))
  return models.some(({ versions }) => versions.some(({ error }) => error !== null)) ? exitStatus.wrongInput : exitStatus.done
}

function onProcess<T>({ url }: ModelsOptions, work: Parameters<typeof withRunningProcess<T>>[2]): Promise<T> {
  return withRunningProcess(loadConfig({ directories: [process.cwd()], env: process.env }).settings, url ?? null, work)
}

/** The model with this name, as a list of one. Throws WAGGLE_UNKNOWN_MODEL if no model or more than one has this name. */
function named(models: readonly ModelRow[], name: string): readonly ModelRow[] {
  const found = models.filter(({ swarm, bee }) => name === bee || name === `${swarm}/${bee}`)
  if (found.length === 1) return found
  const names = models.map(({ swarm, bee }) => `${swarm}/${bee}`).join(', ')
  throw new WaggleError('WAGGLE_UNKNOWN_MODEL', {
    message: found.length === 0 ? `No bee ${name} has a model in that process` : `${found.length} swarms have a bee ${name}`,
    next: names === '' ? 'Start a swarm with a tf-serving or tensor-rt bee.' : `Use one of ${names}.`,
  })
}

function tableOf(models: readonly ModelRow[]): string {
  const head = ['swarm', 'bee', 'version', 'state', 'share', 'runs on']
  const rows = models.flatMap(({ swarm, bee, versions }) =>
    versions.map(({ version, names, state, share, runs_on: runsOn }) => [
      swarm,
      bee,
      shownVersion(version, names),
      state,
      `${share} %`,
      runsOn ?? '-',
    ]),
  )
  const widths = head.map((title, at) => Math.max(title.length, ...rows.map((row) => row[at]?.length ?? 0)))
  return [head, ...rows]
    .map(
      (row) =>
        `${terminalText(
          row
            .map((cell, at) => cell.padEnd(widths[at] ?? 0))
            .join('  ')
            .trimEnd(),
        )}\n`,
    )
    .join('')
}

function textOf({ swarm, bee, type, model, runs_on: runsOn, why, refused_total: refused, versions }: ModelRow): string {
  const fields = [
    ['swarm', swarm],
    ['bee', bee],
    ['type', type],
    ['model', model],
    ['runs on', why === null ? runsOn : `${runsOn} (${why})`],
    ['refused', String(refused)],
  ]
  return `${fields.map(([name = '', value]) => `${name.padEnd(8)} ${value}\n`).join('')}${versions.map(versionText).join('')}`
}

/** A version with its names, such as `4 (canary)`; `-` for a model without versions. */
function shownVersion(version: string | null, names: readonly string[]): string {
  return `${version ?? '-'}${names.length === 0 ? '' : ` (${names.join(', ')})`}`
}

function versionText({ version, names, state, share, loaded_at: loadedAt, error }: ModelVersionRow): string {
  const more = [
    ...(share > 0 ? [`${share} % of the requests`] : []),
    ...(loadedAt === null ? [] : [`loaded at ${timeText(loadedAt)}`]),
    ...(error === null ? [] : [`${error.detail}. ${error.next}`]),
  ]
  return `version  ${shownVersion(version, names)} ${state}${more.length === 0 ? '' : `: ${more.join(', ')}`}\n`
}
