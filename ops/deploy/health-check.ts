import { readFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { join } from 'node:path'

/**
 * The health check of the image: exits with 0 if the process that has the data directory open is alive. The process has written its address to a
 * file, so the check needs no settings. The certificate is not checked, because the address belongs to this machine.
 */
const { url } = JSON.parse(readFileSync(join(process.env.WAGGLE_DATA_DIR ?? '.waggle', 'process.json'), 'utf8')) as { readonly url: string }
const request = url.startsWith('https:') ? httpsRequest : httpRequest
request(`${url}/healthz`, { rejectUnauthorized: false, timeout: 4000 }, ({ statusCode }) => process.exit(statusCode === 200 ? 0 : 1))
  .on('timeout', () => process.exit(1))
  .on('error', () => process.exit(1))
  .end()
