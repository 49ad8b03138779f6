// socket.io as its own examples have it; with the address of a Redis also as one of several nodes, over its adapter.
import { createServer } from "node:http";
import { createAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";

const [port, redis] = process.argv.slice(2);
const http = createServer();
const io = new Server(http, { transports: ["websocket"], perMessageDeflate: false, serveClient: false });

if (redis) {
  const publishes = createClient({ url: redis });
  const subscribes = publishes.duplicate();
  await Promise.all([publishes.connect(), subscribes.connect()]);
  io.adapter(createAdapter(publishes, subscribes));
}

io.on("connection", (socket) => {
  socket.on("subscribe", (room) => {
    socket.join(room);
    socket.emit("ok", "");
  });
  socket.on("publish", ({ room, content }) => socket.to(room).emit("message", content));
});

http.listen(Number(port), "127.0.0.1");
