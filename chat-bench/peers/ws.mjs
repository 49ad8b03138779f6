// npm's ws, as its own example of a broadcast has it: one send for each subscriber and message.
import { WebSocketServer } from "../../tests/clients/node_modules/ws/wrapper.mjs";

const rooms = new Map();
const server = new WebSocketServer({ host: "127.0.0.1", port: Number(process.argv[2]), perMessageDeflate: false });

server.on("connection", (socket) => {
  socket._socket.setNoDelay(true);
  socket.on("error", () => {});
  socket.once("message", (first) => {
    const text = first.toString();
    if (text === "P") return socket.on("message", publish);
    const room = text.slice(2);
    if (!rooms.has(room)) rooms.set(room, new Set());
    rooms.get(room).add(socket);
    socket.on("close", () => rooms.get(room).delete(socket));
    socket.send("ok");
  });
});

function publish(data) {
  const text = data.toString();
  const space = text.indexOf(" ");
  const content = text.slice(space + 1);
  for (const socket of rooms.get(text.slice(0, space)) ?? []) socket.send(content);
}
