import { loadConfig } from '../config/config.ts'
import { inForeground } from './foreground.ts'
import { environmentOf, type RunOptions } from './run.ts'

/**
 * `waggle serve`: runs the swarms that clients create through the API, until a signal. Relative paths in these swarms begin at the working directory.
 */
export async function serve({ json, acceptLoss, ...given }: RunOptions): Promise<number> {
  const env = environmentOf(given)
  const root = process.cwd()
  const configNow = () => loadConfig({ directories: [root], env })
  const config = configNow()
  const { settings } = config
  const options = { configs: [config], json, settings, swarms: [], server: { root, env }, acceptLoss, load: () => configNow().settings }
  return inForeground(options, async (beekeeper, { out }) =>
    out.serving({
      gateway: beekeeper.url,
      grpc: beekeeper.grpcAddress,
      clickhouse: beekeeper.clickhouseUrl,
      swarms: beekeeper.swarms.map(({ plan }) => ({ name: plan.swarm, gateways: plan.gateways.map(({ gateway }) => gateway) })),
    }),
  )
}
