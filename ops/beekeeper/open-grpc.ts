import type { GrpcGateway, GrpcGatewayOptions } from '../../connectors/gateway/grpc/grpc-gateway.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { Settings } from '../config/settings.ts'
import type { LogLine } from '../process-log/log-line.ts'
import { tlsOf } from './gateway-settings.ts'

/**
 * Opens the gRPC port. Returns null if the settings name no port and another program has the default port. The gateway has certificate objects of
 * its own, because each server watches the files by itself.
 */
export async function openGrpc(options: Omit<GrpcGatewayOptions, 'port'>, settings: Settings, say: LogLine): Promise<GrpcGateway | null> {
  const port = settings.grpc_port ?? (settings.http_port === 0 ? 0 : Math.min(settings.http_port + 1, 65_535))
  const { openGrpcGateway } = await import('../../connectors/gateway/grpc/grpc-gateway.ts')
  try {
    return await openGrpcGateway({ ...options, ...tlsOf(settings), port })
  } catch (thrown) {
    // The settings name no gRPC port, so the program that already uses the default port may keep it.
    if (settings.grpc_port !== null || !(thrown instanceof WaggleError) || thrown.code !== 'WAGGLE_PORT_IN_USE') throw thrown
    say('gateway', 'warn', `there is no gRPC: ${thrown.message}. Set WAGGLE_GRPC_PORT to a free port`)
    return null
  }
}
