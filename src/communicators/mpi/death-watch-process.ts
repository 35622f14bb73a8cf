// Started by `DeathWatch`: says which rank of this machine ended first, unless one left on purpose.
import { createServer, type Socket } from 'node:net';
import { LEAVING } from './death-watch.js';

let connected = 0;
let silent = false;

const server = createServer((socket: Socket) => {
  connected++;
  let said = '';
  socket.setEncoding('utf8').on('data', (text: string) => {
    said += text;
    if (said.endsWith(LEAVING)) silent = true;
  });
  const onEnd = (): void => {
    const [, rank, pid, host] = /^(\d+) (\d+) (.+)\n/.exec(said) ?? [];
    if (silent || rank === undefined) return;
    silent = true;
    process.stderr.write(
      `phantom: rank ${rank} ended without an error message: process ${pid}, the first of ${host} to end\n`,
    );
  };
  socket.on('end', onEnd);
  socket.on('error', onEnd);
  socket.on('close', () => {
    connected--;
    endIfAlone();
  });
});
server.on('error', () => process.exit());
server.listen(`\0${process.argv[2]}`);

// The process that started this one is gone, or never came to join.
process.stdin.on('close', endIfAlone).resume();

function endIfAlone(): void {
  if (connected === 0 && process.stdin.closed) server.close();
}
