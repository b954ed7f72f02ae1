import { dirname, join } from 'node:path'
import { checkTogether } from '../../topology/swarm/check/check-together.ts'
import type { Beekeeper } from '../beekeeper/beekeeper.ts'
import type { RunningSwarm } from '../beekeeper/running-swarm.ts'
import { beeRegistry } from '../config/bee-registry.ts'
import { loadConfig } from '../config/config.ts'
import { readSwarm } from '../config/swarm-file.ts'
import { type AskedGateway, exampleRequest } from './example-request.ts'
import { exitStatus } from './exit-status.ts'
import { inForeground } from './foreground.ts'

export interface RunOptions {
  readonly log?: string
  /** The bees that run in this process, separated by commas. Undefined: all bees. */
  readonly bees?: string
  readonly json: boolean
  /** If true, a damaged data directory is opened with the records that remain, and the lost parts are listed. */
  readonly acceptLoss: boolean
}

/** `waggle run FILE…`: runs swarms until a signal or an error. */
export async function run(files: readonly string[], { json, acceptLoss, ...options }: RunOptions): Promise<number> {
  const env = environmentOf(options)
  const configFor = (file: string) => loadConfig({ directories: [dirname(file), process.cwd()], env })
  const swarms = files.map((file) => {
    const registry = beeRegistry(dirname(file))
    return { swarm: readSwarm(file, registry), registry, config: configFor(file) }
  })
  checkTogether(swarms.map(({ swarm }) => swarm))
  const [first] = swarms
  if (first === undefined) return exitStatus.usage
  const { settings } = first.config
  const load = () => configFor(files[0] ?? '.').settings
  const configs = swarms.map(({ config }) => config)
  return inForeground({ configs, json, settings, swarms, acceptLoss, load }, async (beekeeper, { out }) =>
    out.ready({
      gateway: beekeeper.url,
      grpc: beekeeper.grpcAddress,
      clickhouse: beekeeper.clickhouseUrl,
      swarms: beekeeper.swarms.map((running, at) => ({
        name: running.plan.swarm,
        gateways: running.plan.gateways.map(({ gateway }) => gateway),
        // Example requests are for people. With --json a program reads the output, and needs no examples.
        asks: json
          ? []
          : running.plan.gateways.map(({ gateway }) =>
              exampleRequest(askedGateway(running, gateway, beekeeper), {
                swarm: dirname(files[at] ?? '.'),
                written: join(settings.data_dir, 'examples'),
              }),
            ),
        table: running.plan.bees.map(({ spec }) => spec.table).find((table) => typeof table === 'string') ?? null,
      })),
    }),
  )
}

function askedGateway(swarm: RunningSwarm, name: string, { url, needsToken }: Beekeeper): AskedGateway {
  return { name, url, needsToken, answers: swarm.plan.outcomesTopic !== null, input: swarm.exampleInput(name) }
}

/** The variables of this process. Options of the command line take precedence. */
export function environmentOf({ log, bees }: Pick<RunOptions, 'log' | 'bees'>): NodeJS.ProcessEnv {
  return { ...process.env, ...(log === undefined ? {} : { WAGGLE_LOG: log }), ...(bees === undefined ? {} : { WAGGLE_BEES: bees }) }
}
