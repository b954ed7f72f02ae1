/** True for a host that only this machine can reach: `localhost`, 127.0.0.0/8, or `::1`, also in the brackets of a URL. */
export function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\])$/i.test(host)
}
