import type { ServerModelOptions, ServingTls } from '../../topology/swarm/ports/model-servers.ts'
import type { OpenModel } from '../../topology/swarm/ports/models.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { Bee, BeeCheckContext, BeeContext, BeeFindings, BeeRequest, RunningModel } from '../define-bee.ts'
import { exampleOf } from '../model-input.ts'
import { findingsOf, fitOf, type ModelSpec } from '../model-prediction.ts'
import { type ModelPrediction, readingOf } from '../model-reading.ts'
import { LoadedVersion } from '../served-model/loaded-version.ts'

/** The spec of a model that runs on a TensorFlow Serving. */
export type ServerSpec = Omit<ModelSpec, 'model'> & { readonly url: string; readonly tls?: ServingTls }

/**
 * A bee that calls a model on a TensorFlow Serving. If the server does not have the model when the bee opens, the bee opens all the same and the server is
 * asked again: the other bees of the process start, and requests get the reason until the server answers.
 */
export async function serverBee(context: BeeContext<ServerSpec>): Promise<Bee<unknown, ModelPrediction>> {
  const { ports, log } = context
  const options = await optionsOf(context, log)
  let loaded: LoadedVersion | null = null
  try {
    loaded = await load(await ports.modelServers.open(options), context)
  } catch (thrown) {
    if (!(thrown instanceof WaggleError) || !mayCome.has(thrown.code)) throw thrown
    log('error', `${thrown.message} (${thrown.code}). Requests get this error, and the server is asked again. ${thrown.next}`)
  }
  const late = loaded === null ? ports.modelServers.openLater(options) : null
  return {
    processBatch: (inputs, requests) =>
      fairly(inputs.length, async () => {
        loaded ??= await load((await late?.get()) as OpenModel, context)
        return loaded.predict(inputs, requests[0]?.signal ?? neverAborted, latestDeadline(requests))
      }),
    async close() {
      await late?.close()
      await loaded?.close()
    },
    example: () => (loaded === null ? null : exampleOf(loaded.model.signature)),
    model: {
      get state() {
        return serverState(context.spec, loaded)
      },
      // The server looks for versions itself.
      reload: async () => {},
    },
  }
}

/** The model as an operator sees it. Without a version in the spec the server chooses one for each call. */
function serverState({ url, version }: ServerSpec, loaded: LoadedVersion | null): RunningModel['state'] {
  const row = { version: version === undefined ? null : String(version), names: [], runs_on: loaded?.model.device ?? null, error: null }
  const state =
    loaded === null
      ? ({ state: 'loading', share: 0, loaded_at: null } as const)
      : ({ state: 'serving', share: 100, loaded_at: loaded.loadedAt } as const)
  return { model: url, runs_on: loaded?.model.device ?? '', why: null, refused_total: 0, versions: [{ ...row, ...state }] }
}

/** Asks the server for the model's signature, and compares the spec with it. */
export async function checkServer(context: BeeCheckContext<ServerSpec>): Promise<BeeFindings> {
  const model = await context.ports.modelServers.open(await optionsOf(context, () => {}))
  return findingsOf(model, { ...context.spec, model: context.spec.url })
}

/** The server may start later than this process, and answers that it has no such model while it loads it. */
const mayCome: ReadonlySet<string> = new Set(['WAGGLE_MODEL_SERVER_AWAY', 'WAGGLE_MODEL_NOT_FOUND'])

/** Closes the model if the spec does not fit it. */
async function load(model: OpenModel, { spec, bee, now, log }: BeeContext<ServerSpec>): Promise<LoadedVersion> {
  try {
    const reading = readingOf({ ...spec, model: spec.url }, model.signature)
    log('info', `${spec.url} on ${model.device}`)
    return new LoadedVersion({ bee, version: spec.version ?? null, stamp: '', model, reading, loadedAt: now() })
  } catch (thrown) {
    await model.close()
    throw thrown
  }
}

async function optionsOf(
  { spec, resolve }: Pick<BeeContext<ServerSpec>, 'spec' | 'resolve'>,
  log: ServerModelOptions['log'],
): Promise<ServerModelOptions> {
  const { url, version, signature, output, tls = {} } = spec
  const files = await Promise.all(
    Object.entries(tls).map(async ([name, pem]) => [name, pem.startsWith('-----BEGIN') ? pem : await resolve(pem)] as const),
  )
  return {
    url,
    fit: fitOf(spec),
    ...(version === undefined ? {} : { version }),
    ...(signature === undefined ? {} : { signature }),
    ...(output === undefined ? {} : { output }),
    tls: Object.fromEntries(files),
    log,
  }
}

/** The time after which nobody needs the results of a batch; null if one of its requests has no deadline. */
function latestDeadline(requests: readonly BeeRequest[]): number | null {
  const deadlines = requests.map(({ deadline }) => deadline ?? Number.POSITIVE_INFINITY)
  const latest = Math.max(...deadlines)
  return Number.isFinite(latest) ? latest : null
}

/** Gives an error of the server to each row. If it were thrown, the engine would try the rows one by one, with the same server. */
async function fairly(
  rows: number,
  predict: () => Promise<readonly (ModelPrediction | WaggleError)[]>,
): Promise<readonly (ModelPrediction | WaggleError)[]> {
  try {
    return await predict()
  } catch (thrown) {
    if (!(thrown instanceof WaggleError) || !ofServer.has(thrown.code)) throw thrown
    return Array<WaggleError>(rows).fill(thrown)
  }
}

const ofServer: ReadonlySet<string> = new Set([...mayCome, 'WAGGLE_DEADLINE'])
const neverAborted = new AbortController().signal
