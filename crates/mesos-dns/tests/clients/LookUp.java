// Looks names and addresses up the ways that Java programs do, and prints what it finds, a line each.
//
// usage: LookUp KIND WORD, where KIND is name (its addresses), address (the name that leads back to it), or naming (the
// name of an address, spelled as in DNS, by the resolver in Java's own naming service, which Hadoop and HBase ask)

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.Hashtable;
import javax.naming.Context;
import javax.naming.NameNotFoundException;
import javax.naming.NamingException;
import javax.naming.directory.Attribute;
import javax.naming.directory.InitialDirContext;

class LookUp {
    public static void main(String[] words) throws NamingException, UnknownHostException {
        switch (words[0]) {
            case "name" -> name(words[1]);
            case "address" -> address(words[1]);
            case "naming" -> naming(words[1]);
            default -> throw new IllegalArgumentException(words[0]);
        }
    }

    static void name(String name) throws UnknownHostException {
        try {
            InetAddress first = InetAddress.getByName(name);
            InetAddress[] all = InetAddress.getAllByName(name);
            if (!all[0].equals(first)) System.out.println("another first: " + first);
            for (InetAddress found : all) System.out.println(found.getHostAddress());
        } catch (UnknownHostException error) {
            System.out.println("no such name");
        }
    }

    // Both give the address itself where it has no name, or one that leads elsewhere.
    static void address(String address) throws UnknownHostException {
        InetAddress found = InetAddress.getByName(address);
        String name = found.getHostName();
        String canonical = InetAddress.getByName(address).getCanonicalHostName();
        if (!canonical.equals(name)) System.out.println("canonical: " + canonical);
        System.out.println(name.equals(found.getHostAddress()) ? "no such name" : name);
    }

    static void naming(String name) throws NamingException {
        Hashtable<String, String> environment = new Hashtable<>();
        environment.put(Context.INITIAL_CONTEXT_FACTORY, "com.sun.jndi.dns.DnsContextFactory");
        InitialDirContext context = new InitialDirContext(environment);
        try {
            Attribute found = context.getAttributes("dns:///" + name, new String[] {"PTR"}).get("PTR");
            System.out.println(found == null ? "no such type" : found.get());
        } catch (NameNotFoundException error) {
            System.out.println("no such name");
        }
        context.close();
    }
}
